"""The production set-up as files: everything they name exists, and nothing is root or unpinned."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from hitl_project.env import NOT_FLAGS
from tests.serving import ROOT

COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "web", "worker", "beat")
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


def steps(word: str) -> list[str]:
    """Return the arguments of every instruction of this word, in order."""
    lines = (line.partition(" ") for line in DOCKERFILE.splitlines())
    return [rest.strip() for name, _, rest in lines if name == word]


def test_there_is_a_database_a_redis_a_migration_a_web_process_a_worker_and_a_scheduler():
    assert set(SERVICES) == {"postgres", "redis", *OURS}


def test_everything_a_service_names_is_there():
    for name, service in SERVICES.items():
        assert set(service.get("depends_on", {})) <= set(SERVICES), name
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert volumes <= set(COMPOSE["volumes"]), name
        for waited, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[waited], (name, waited)


def test_whatever_keeps_running_has_a_health_check():
    assert {name for name, service in SERVICES.items() if "healthcheck" not in service} == {
        "migrate"
    }


def test_every_secret_comes_from_a_file_and_none_stands_in_the_set_up():
    for name in OURS:
        environment = SERVICES[name]["environment"]
        for secret in ("DATABASE_URL", "SECRET_KEY", "HITL_SIGNING_KEY"):
            path = environment[f"{secret}_FILE"]
            assert Path(path).parent == Path("/run/secrets")
            assert Path(path).name in SERVICES[name]["secrets"]
            assert secret not in environment
    assert "POSTGRES_PASSWORD" not in SERVICES["postgres"]["environment"]


def test_every_variable_is_one_the_service_reads():
    known = (
        set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
        | NOT_FLAGS
    )
    for name in OURS:
        assert {v.removesuffix("_FILE") for v in SERVICES[name]["environment"]} <= known
    given = dict(part.split("=", 1) for env in steps("ENV") for part in shlex.split(env))
    python = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "DJANGO_SETTINGS_MODULE"}
    assert set(given) - python <= known


def test_redis_keeps_what_it_was_given():
    command = SERVICES["redis"]["command"]
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"


def test_nothing_of_ours_runs_as_root_or_writes_outside_its_folder():
    user = steps("USER")[-1]
    assert user == "10001:10001"
    for name in OURS:
        assert SERVICES[name]["read_only"] is True
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert "privileged" not in SERVICES[name]


def test_the_image_copies_what_is_there_and_what_the_builder_is_sent():
    sent = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    copied = [shlex.split(step) for step in steps("COPY") if not step.startswith("--from")]
    for *sources, _target in copied:
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source.rstrip("/") in sent, source


def test_the_images_own_command_is_that_of_web():
    assert json.loads(steps("CMD")[-1]) == SERVICES["web"]["command"]


def test_no_dependency_is_installed_unpinned():
    installs = [part for step in steps("RUN") for part in step.split("&&") if "pip install" in part]
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install
