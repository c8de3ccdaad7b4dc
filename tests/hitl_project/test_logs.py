"""The log never holds what opens a door."""

import json
import logging

import pytest

from hitl_project.logs import line, redacted

SECRETS = {
    "hitl_0a1b2c3d_SeCrEtPartxyz": "hitl_0a1b2c3d_[removed]",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": "whsec_[removed]",
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc=": "whsk_[removed]",
    "GET /a/eyJ0.abc-def HTTP/1.1": "GET /a/[removed] HTTP/1.1",
    "Authorization: Bearer eyJhbGciOi.J9": "Authorization: Bearer [removed]",
}


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_removed_and_the_rest_stays(text):
    assert redacted(f"before {text} after") == f"before {SECRETS[text]} after"


@pytest.mark.parametrize("text", ["/admin/reviews/ticket/", "/api/v1/tickets", "data/a"])
def test_what_is_no_secret_stays(text):
    assert redacted(text) == text


@pytest.mark.parametrize("style", ["json", "console"])
def test_secrets_in_arguments_and_tracebacks_are_removed(style):
    try:
        password = "hitl_0a1b2c3d_local"
        raise ValueError("refused hitl_0a1b2c3d_raised")
    except ValueError:
        record = logging.makeLogRecord(
            {
                "msg": "key %s",
                "args": ("hitl_0a1b2c3d_argument",),
                "levelname": "ERROR",
                "name": "x",
            }
        )
        record.exc_info = __import__("sys").exc_info()
    assert password
    written = line(style).format(record)
    assert "ValueError" in written
    for secret in ("argument", "raised", "local"):
        assert f"hitl_0a1b2c3d_{secret}" not in written
    if style == "json":
        assert json.loads(written)["event"] == "key hitl_0a1b2c3d_[removed]"
