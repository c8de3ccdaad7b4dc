"""`hitl status`: what works, what waits, what is misconfigured."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from command_line import Run
from countersign_peer import API_KEY, Reply, problem
from desk_peer import DeskPeer

from hitl_client.cli.status import look


def test_a_service_that_works_is_said_to(desk: DeskPeer, hitl: Run) -> None:
    desk.ticket("T-1", priority="high")
    desk.ticket("T-2")
    ended = hitl("status")
    assert ended.code == 0
    assert "ready" in ended.out
    assert "ana (reviewer)" in ended.out
    assert "Pending   2 (high 1, medium 1)" in ended.out
    assert "Nothing is misconfigured" in ended.out
    for name in ("status", "hitl-status"):
        found = hitl(name, "--output", "json").json
        assert found["pending"] == {
            "count": 2,
            "more": False,
            "by_priority": {"high": 1, "medium": 1},
        }
        assert (found["ready"], found["faults"], found["warnings"]) == (True, [], [])


def test_what_does_not_work_is_named_at_once(desk: DeskPeer, hitl: Run) -> None:
    faults = {"heartbeat": "no beat for 90 s", "database": ""}
    desk.script("GET", "/readyz", Reply(503, {"status": "not ready", "faults": faults}))
    ended = hitl("status")
    assert ended.code == 1
    assert "NOT READY" in ended.out
    assert "FAULT     heartbeat: no beat for 90 s" in ended.out
    assert "ana (reviewer)" in ended.out  # it still says who asks
    assert len(desk.requests("GET", "/readyz")) == 1


def test_nobody_listening_is_a_fault(hitl: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HITL_URL", "http://127.0.0.1:1")
    ended = hitl("status")
    assert ended.code == 1
    assert "Check HITL_URL" in ended.out


def test_a_missing_and_an_unknown_token_are_faults(
    desk: DeskPeer, hitl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.script("GET", "/api/v1/me", problem(401, "unauthenticated"))
    unknown = hitl("status")
    assert (unknown.code, "Check HITL_TOKEN" in unknown.out) == (1, True)
    monkeypatch.setenv("HITL_TOKEN", "two words")
    assert "holds no token" in hitl("status").out
    monkeypatch.delenv("HITL_TOKEN")
    missing = hitl("status")
    assert (missing.code, "HITL_TOKEN is not set" in missing.out) == (1, True)
    assert all("authorization" not in seen.headers for seen in desk.requests("GET", "/readyz"))


def test_a_checkpoint_that_asks_nobody_is_told(desk: DeskPeer, hitl: Run) -> None:
    desk.kinds["general"]["asks"] = False
    ended = hitl("status")
    assert ended.code == 0
    assert "Warning   general asks nobody" in ended.out


def test_somebody_without_a_role_is_told_so(desk: DeskPeer, hitl: Run) -> None:
    desk.me["roles"] = []
    assert "You have no role" in hitl("status").out


def test_a_service_key_is_counted_what_it_asked(desk: DeskPeer, hitl: Run) -> None:
    desk.me |= {"kind": "machine", "roles": []}
    desk.ticket()
    ended = hitl("status")
    assert "a service key: submits and reads, never votes" in ended.out
    assert "Pending   1" in ended.out
    assert any("status=pending" in seen.path for seen in desk.seen)


def test_a_long_list_is_not_counted_to_its_end(desk: DeskPeer, hitl: Run) -> None:
    for number in range(1001):
        desk.ticket(f"T-{number}")
    assert "Pending   1000+" in hitl("status").out


def test_clocks_that_differ_and_an_open_line_are_warned_of(
    desk: DeskPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HITL_TOKEN", API_KEY)
    later = datetime.now(UTC) + timedelta(minutes=5)
    [warning] = look(desk.url, now=lambda: later).warnings
    assert "clock" in warning
    assert look(desk.url).warnings == []
    abroad = look("http://countersign.invalid")
    assert "unencrypted" in abroad.warnings[0]
