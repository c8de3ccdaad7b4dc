"""What reaches a terminal: nothing that acts, no key, and JSON that is only JSON."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from command_line import Ended, Run
from countersign_peer import API_KEY, Reply, problem
from desk_peer import POISON, DeskPeer

from hitl_client.cli.inert import inert

SDK = Path(__file__).parent.parent
TICKETS = "/api/v1/tickets"
PLAIN_LINE_ENDS = {"\n"}


def acting(text: str) -> set[str]:
    """Return the characters in a text that a terminal would obey, hide or turn."""
    kinds = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    return {char for char in text if unicodedata.category(char) in kinds} - PLAIN_LINE_ENDS


def poisoned() -> dict[str, Any]:
    """Return a ticket whose every text is hostile."""
    person = {"name": POISON, "choice": POISON, "comment": POISON}
    names = (
        "title summary checkpoint priority risk region amount reference comments due_at "
        "expires_at queue"
    )
    return dict.fromkeys(names.split(), POISON) | {
        "id": "id-of-T-1",
        "ref": POISON,
        "proposal": {POISON: [POISON, {"x": POISON}]},
        "ai": {"reasoning": POISON},
        "rule": {"why": POISON},
        "policy": {"options": [{"key": POISON}]},
        "tally": {"needed": POISON, "people": [person]},
        "viewer": {"can": [], "why_not": POISON, "why_not_detail": POISON},
        "decision": {"outcome": POISON, "by": POISON, "final_at": POISON},
    }


COMMANDS = [
    ("get", "id-of-T-1"),
    ("get", "id-of-T-1", "--wait", "0"),
    ("queue",),
    ("next", "--queue", "general"),
    ("approve", "id-of-T-1"),
    ("vote", "id-of-T-1", "reject"),
    ("approve-purchase", "id-of-T-1"),
    ("status",),
]


@pytest.fixture
def hostile(desk: DeskPeer) -> DeskPeer:
    desk.ticket(**poisoned())
    desk.decide = lambda ticket: None
    desk.claimable["general"] = ["id-of-T-1"]
    desk.me |= {"username": POISON, "roles": [POISON], "kind": POISON}
    desk.kinds = {POISON: {"slug": POISON, "asks": False, "effect_sentence": POISON + "{x}"}}
    return desk


@pytest.mark.parametrize("output", ["table", "json"])
@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_the_service_says_acts_on_a_terminal(
    hostile: DeskPeer, hitl: Run, command: tuple[str, ...], output: str
) -> None:
    ended = hitl(*command, "--output", output)
    assert ended.code in (0, 1, 3), ended.err
    assert not inspected(ended)
    if output == "json":
        assert ended.json is not None
        assert ended.raw_out.isascii()
    else:
        assert b"\\x1b" in ended.raw_out + ended.raw_err
    assert "this program failed" not in ended.err


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_in_an_error_acts_on_a_terminal(
    desk: DeskPeer, hitl: Run, command: tuple[str, ...]
) -> None:
    desk.answer = lambda seen: problem(  # type: ignore[method-assign]
        422,
        POISON,
        detail=POISON,
        title=POISON,
        errors=[{"pointer": POISON, "message": POISON}],
        decision={"outcome": POISON, "by": POISON},
    )
    ended = hitl(*command)
    assert ended.code == 1
    assert not inspected(ended)


def test_arguments_are_made_inert_as_well(desk: DeskPeer, hitl: Run) -> None:
    for arguments in (("get", "\x1b[2J"), ("\x1b[2J",), ("get", "--\x1b[2J"), ("approve", "\x9b")):
        ended = hitl(*arguments)
        assert ended.code in (1, 2)
        assert not inspected(ended)


def inspected(ended: Ended) -> set[str]:
    return acting(ended.out) | acting(ended.err)


def test_markup_is_printed_as_it_stands(desk: DeskPeer, hitl: Run) -> None:
    desk.ticket(title="[bold red]Pay[/] :smiley: [link=https://x]y[/link]")
    for command in ("get T-1", "queue"):
        assert "[bold red]Pay[/] :smiley: [link=https://x]y[/link]" in hitl(*command.split()).out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\u202eb\u200b", "a\\u202eb\\u200b"),
        ("a\U000e0041", "a\\U000e0041"),
        ("two\nlines\t", "two\\nlines\\t"),
        ("no\u00a0break", "no break"),
        ("\u3164\u2800\ufe0f", "\\u3164\\u2800\\ufe0f"),
        ("e\u0301 is fine", "e\u0301 is fine"),
        ("z" + "\u0301" * 5, "z" + "\u0301" * 3 + "\\u0301" * 2),
        ("日本 ñ ß ✓ 🎉", "日本 ñ ß ✓ 🎉"),
    ],
)
def test_what_acts_or_hides_is_written_out(text: str, shown: str) -> None:
    assert inert(text) == shown
    assert not acting(inert(text))


def test_every_character_there_is_comes_out_inert() -> None:
    everything = "".join(map(chr, range(0x110000)))
    assert not acting(inert(everything))
    assert not acting(inert(everything, lines=True))


def test_the_token_is_never_printed(desk: DeskPeer, hitl: Run) -> None:
    desk.ticket(title=f"Is it {API_KEY}?", proposal={"key": API_KEY})
    for command in COMMANDS:
        for output in ("table", "json"):
            ended = hitl(*command, "-o", output)
            assert API_KEY.encode() not in ended.raw_out + ended.raw_err
    echo = Reply(403, {"code": "x", "detail": f"you sent Bearer {API_KEY}"})
    desk.script("GET", f"{TICKETS}/id-of-T-1", echo)
    ended = hitl("get", "id-of-T-1")
    assert API_KEY.encode() not in ended.raw_out + ended.raw_err


def test_a_ticket_of_unexpected_shapes_is_shown_all_the_same(desk: DeskPeer, hitl: Run) -> None:
    odd: list[Any] = [None, 7, True, "text", [1], {"a": 1}]
    names = ("title", "policy", "tally", "viewer", "decision", "ai", "rule", "status", "allowed")
    for value in odd:
        desk.tickets.clear()
        desk.ticket(**dict.fromkeys(names, value))
        ended = hitl("get", "T-1")
        assert ended.code == 0, ended.err
        assert "this program failed" not in hitl("queue").err + hitl("approve", "T-1").err


# The program as a process


def process(desk: DeskPeer, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HITL_")}
    return kept | {"HITL_URL": desk.url, "HITL_TOKEN": API_KEY, "PYTHONPATH": str(SDK)} | more


def test_a_terminal_gets_no_escape_byte_either(hostile: DeskPeer) -> None:
    ours, theirs = pty.openpty()
    told = b""
    with subprocess.Popen(
        [sys.executable, "-m", "hitl_client", "queue"],
        env=process(hostile, TERM="xterm-256color", FORCE_COLOR="1", COLUMNS="60"),
        stdout=theirs,
        stderr=theirs,
    ) as running:
        os.close(theirs)
        while chunk := read(ours):
            told += chunk
        assert running.wait() == 0
    os.close(ours)
    assert b"\x1b" not in told
    assert b"\\x1b" in told.replace(b"\r\n", b"")


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how a terminal ends on Linux
        return b""


def test_a_reader_that_has_enough_ends_it_quietly(desk: DeskPeer) -> None:
    for number in range(200):
        desk.ticket(f"T-{number}", title="x" * 5000)
    with subprocess.Popen(
        [sys.executable, "-m", "hitl_client", "queue", "-o", "json", "--limit", "200"],
        env=process(desk),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.read(1)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 1


def test_an_ascii_terminal_gets_the_rest_written_out(desk: DeskPeer) -> None:
    desk.ticket(title="Für 日本")
    ended = subprocess.run(
        [sys.executable, "-m", "hitl_client", "get", "T-1"],
        env=process(desk, PYTHONIOENCODING="ascii"),
        capture_output=True,
        check=True,
    )
    assert b"F\\xfcr \\u65e5\\u672c" in ended.stdout
