"""What the interface says of itself holds, whatever is sent to whichever address.

A running service, called by a program and by a manager with about 1,500 requests each: none fails,
none is answered in a way the description does not know, none is let in without a key.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import fuzzing, serving
from tests.journeys.driving import Caller, Demo

pytestmark = [pytest.mark.real, pytest.mark.once]

# Without limits: a 429 would hide what is behind it.
UNLIMITED = {"DJANGO_SETTINGS_MODULE": "tests.prove.settings"}


@pytest.fixture(scope="module")
def served(
    migrated_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[serving.Served]:
    folder = shutil.copytree(migrated_folder, tmp_path_factory.mktemp("described") / "data")
    seeded = serving.manage("seed_demo", folder=folder, **UNLIMITED)
    assert seeded.returncode == 0, seeded.stderr
    with serving.serving(folder, **UNLIMITED) as service:
        yield service
        assert "Traceback" not in service.log


@pytest.mark.parametrize("caller", ["program", "manager"])
def test_every_answer_is_one_the_description_knows(served, tmp_path, caller):
    demo = Demo.read(served.folder)
    token = demo.service_key if caller == "program" else demo.people["maya"]["token"]
    found = fuzzing.fuzz(
        served.url,
        token,
        folder=tmp_path,
        seed=1,
        each=4,
        known=fuzzing.names_of(lambda path: Caller(served.url, token).get(path).body),
    )

    assert found.failures == (), found.told
    assert found.missed == 0
    assert found.cases > 1000
