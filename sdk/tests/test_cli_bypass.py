"""`hitl bypass` and what `hitl status` says of it."""

from __future__ import annotations

import os
import pty
import sys
import time

import pytest
from command_line import Run
from countersign_peer import API_KEY, problem
from desk_peer import DeskPeer

ASKED = ("--duration=1h", "--reason=The mail provider is down.")


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Answer the terminal's questions without one; return what was asked."""
    asked: list[str] = []

    def answer(prompt: str) -> str:
        asked.append(prompt)
        return "swordfish"

    monkeypatch.setattr("getpass.getpass", answer)
    return asked


@pytest.mark.parametrize("name", ["bypass", "hitl-override"])
def test_it_asks_for_the_password_and_says_who_was_told(
    desk: DeskPeer, hitl: Run, typed: list[str], name: str
) -> None:
    ended = hitl(name, *ASKED)
    assert (ended.code, typed) == (0, ["Your password: "])
    assert "BYPASS ACTIVE until 2026-01-01T01:00:00Z" in ended.out
    assert "passes      everything" in ended.out
    assert "Max Singh" in ended.out
    assert "/admin/approvals/bypass/" in ended.out
    assert "\x1b" not in ended.out + ended.err
    first, second = desk.requests("POST", "/api/v1/bypasses")
    assert "password" not in first.body
    assert second.body["password"] == "swordfish"
    assert "swordfish" not in ended.out + ended.err


def test_with_a_second_factor_it_asks_for_its_code(
    desk: DeskPeer, hitl: Run, typed: list[str]
) -> None:
    desk.needs = "code"
    asked = ("--checkpoint", "general", "--checkpoint", "money", "--incident", "INC-7")
    ended = hitl("-o", "json", "bypass", *ASKED, *asked)
    assert typed == ["The code your authenticator shows: "]
    assert ended.json["scope"] == ["general", "money"]
    body = desk.requests("POST", "/api/v1/bypasses")[-1].body
    assert (body["code"], body["incident"]) == ("swordfish", "INC-7")


def test_what_is_refused_anyway_is_told_before_anything_is_asked(
    desk: DeskPeer, hitl: Run, typed: list[str]
) -> None:
    ended = hitl("bypass", "--duration=1h", "--reason=short")
    assert (ended.code, typed) == (1, [])
    assert "/reason: Too short." in ended.err
    refused = problem(409, "bypass-unreviewed", detail="Your last bypass was not looked at yet.")
    desk.script("POST", "/api/v1/bypasses", refused)
    ended = hitl("bypass", *ASKED)
    assert (ended.code, typed) == (1, [])
    assert "Ask another manager" in ended.err


def test_a_wrong_password_is_refused_and_tried_once(
    desk: DeskPeer, hitl: Run, typed: list[str]
) -> None:
    desk.secret = "another"
    assert hitl("bypass", *ASKED).code == 1
    assert len(typed) == 1
    assert len(desk.requests("POST", "/api/v1/bypasses")) == 2


def test_length_and_reason_are_needed(hitl: Run) -> None:
    assert hitl("bypass", "--duration=1h").code == 2
    assert hitl("bypass", "--reason=The mail provider is down.").code == 2


def test_what_is_typed_on_a_terminal_is_not_echoed(desk: DeskPeer) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(HITL_URL=desk.url, HITL_TOKEN=API_KEY)
        os.environ.pop("HITL_TOKEN_FILE", None)
        os.execv(sys.executable, [sys.executable, "-m", "hitl_client", "bypass", *ASKED])  # noqa: S606
    shown, answered, deadline = b"", False, time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            shown += os.read(terminal, 4096)
        except OSError:
            break
        if b"Your password:" in shown and not answered:
            os.write(terminal, b"swordfish\n")
            answered = True
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, shown
    assert b"BYPASS ACTIVE" in shown
    assert b"swordfish" not in shown


def test_without_a_terminal_nobody_can_confirm(
    desk: DeskPeer, hitl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_terminal(_prompt: str) -> str:
        raise EOFError

    monkeypatch.setattr("getpass.getpass", no_terminal)
    ended = hitl("bypass", *ASKED, stdin="swordfish\n")
    assert ended.code == 2
    assert "on a terminal" in ended.err


class TestStatus:
    def test_what_passes_without_people_is_said_in_red_words(
        self, desk: DeskPeer, hitl: Run
    ) -> None:
        desk.stands |= {
            "human_in_the_loop": False,
            "stubs": True,
            "bypasses": [
                {
                    "ends_at": "2026-01-01T01:00:00Z",
                    "by_label": "Lena",
                    "scope": ["general"],
                    "reason": "Down.\x1b[2J",
                }
            ],
            "checkpoints": [{"slug": "cost-threshold", "paused": True}],
        }
        ended = hitl("status")
        assert ended.code == 0
        assert "RED       NOBODY IS ASKED anywhere" in ended.out
        assert "RED       STUB MODE" in ended.out
        assert "RED       BYPASS ACTIVE until 2026-01-01T01:00:00Z by Lena, general" in ended.out
        assert "Paused    cost-threshold" in ended.out
        assert "Nothing is misconfigured" not in ended.out
        assert "\x1b" not in ended.out
        found = hitl("hitl-status", "-o", "json").json
        assert len(found["alarms"]) == 3
        assert found["stands"]["checkpoints"] == [{"slug": "cost-threshold", "paused": True}]

    def test_a_service_that_does_not_say_is_warned_of(self, desk: DeskPeer, hitl: Run) -> None:
        desk.script("GET", "/api/v1/status", problem(404, "not-found"))
        assert "is not known" in hitl("status").out
