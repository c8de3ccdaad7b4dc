"""A new signing key takes over, and what the old one signed still holds."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from approvals.receipts import RECEIPT_TYPE
from audit.clock import db_now
from audit.keys import published_keys, rotate, signing_key
from audit.sealing import seal_chains
from audit.signing import SigningKey, verify_jwt
from audit.verification import verify
from reviews.services.receipts import signed_receipt

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, settings: Any) -> Path:
    (tmp_path / "signing-key.pem").write_bytes(settings.HITL_SIGNING_KEY.encode())
    settings.HITL_DATA_DIR = tmp_path
    return tmp_path


def test_receipts_and_seals_of_every_earlier_key_still_verify(story: Any, settings: Any) -> None:
    tokens = []
    for _ in range(3):
        ticket = story.vote(story.open(), story.ann, "approve").ticket
        tokens.append(signed_receipt(ticket))
        seal_chains()
        new = SigningKey.generate()
        rotate(to=new)
        # Published before any process signs with it.
        assert new.kid in {jwk["kid"] for jwk in published_keys()}
        settings.HITL_SIGNING_KEY = new.to_pem().decode()

    assert published_keys()[0]["kid"] == signing_key().kid
    assert len({jwk["kid"] for jwk in published_keys()}) == 4
    for token in tokens:
        assert verify_jwt(token, published_keys(), now=db_now(), typ=RECEIPT_TYPE)["allowed"]
    assert verify(jwks=published_keys()).findings == []


def test_the_command_replaces_the_data_folders_own_key(folder: Path) -> None:
    before = signing_key().kid
    call_command("rotate_signing_key")

    kept = folder / "signing-key.pem"
    new = SigningKey.from_pem(kept.read_bytes())
    assert new.kid != before
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [jwk["kid"] for jwk in published_keys()] == [before, new.kid]
    assert [one.name for one in folder.iterdir()] == ["signing-key.pem"]


def test_the_command_keeps_a_new_key_where_it_is_told(folder: Path) -> None:
    path = folder / "next.pem"
    call_command("rotate_signing_key", to=str(path))

    assert SigningKey.from_pem(path.read_bytes()).kid in {jwk["kid"] for jwk in published_keys()}
    with pytest.raises(CommandError, match="exists"):
        call_command("rotate_signing_key", to=str(path))


def test_a_key_from_the_environment_is_not_replaced_behind_its_back(folder: Path) -> None:
    (folder / "signing-key.pem").write_bytes(SigningKey.generate().to_pem())
    with pytest.raises(CommandError, match="--to"):
        call_command("rotate_signing_key")
    (folder / "signing-key.pem").unlink()
    with pytest.raises(CommandError, match="--to"):
        call_command("rotate_signing_key")

    assert [jwk["kid"] for jwk in published_keys()] == [signing_key().kid]


def test_a_file_that_cannot_be_written_publishes_nothing(folder: Path) -> None:
    with pytest.raises(CommandError, match="cannot be written"):
        call_command("rotate_signing_key", to=str(folder / "no" / "such" / "folder.pem"))

    assert [jwk["kid"] for jwk in published_keys()] == [signing_key().kid]


def test_the_keys_are_published_over_http(client: Any) -> None:
    rotate(to=SigningKey.generate())

    keys = client.get("/.well-known/jwks.json").json()["keys"]

    assert [key["kid"] for key in keys] == [key["kid"] for key in published_keys()]
    assert "until" in keys[0]
    assert all("d" not in key for key in keys)
