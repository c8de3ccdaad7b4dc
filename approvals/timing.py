"""When people are asked, reminded and no longer waited for, and how often content may return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from approvals.durations import render_duration
from approvals.reading import Reader
from approvals.stages import read_role

LONGEST_HOLD = timedelta(days=30)
_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True)
class Escalation:
    """After this time, people of this role are asked as well."""

    after: timedelta
    role: str


@dataclass(frozen=True)
class Timing:
    """When people are asked, reminded and no longer waited for.

    ``due`` and ``expires`` None: by the ticket's priority. ``silence`` names the option that
    nobody's answer means; None: the ticket ends ``expired`` without an outcome, which is the
    safe silence where no option refuses (an answer nobody gave is not an answer).
    """

    ask: str = "before"  # or "after": act first, ask afterwards
    due: timedelta | None = None
    escalate: tuple[Escalation, ...] = ()
    expires: timedelta | None = None
    silence: str | None = None
    hold: timedelta = timedelta(0)
    revocable: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class Repeat:
    """How often content may come back, and the portions it is rolled out in (10, 50, 100)."""

    rounds: int = 1
    steps: tuple[int, ...] = ()


def read_timing(reader: Reader, value: object, effects: Mapping[str, str]) -> Timing:
    known = ("ask", "due", "escalate", "expires", "silence", "hold", "revocable")
    given = reader.mapping(value, "/timing", known)
    rows = reader.rows(given.get("escalate", ()), "/timing/escalate", most=10)
    silence = given.get("silence")
    named = silence is not None and reader.choice(silence, "/timing/silence", effects)
    if named and effects[named] == "none":
        reader.refuse("/timing/silence", "Silence cannot mean an option that never counts.")
    due, expires = (
        None if given.get(name) is None
        else reader.duration(given[name], f"/timing/{name}", least=_MOMENT)
        for name in ("due", "expires")
    )  # fmt: skip
    hold, revocable = (
        reader.duration(given.get(name, default), f"/timing/{name}", most=LONGEST_HOLD)
        for name, default in (("hold", "PT0S"), ("revocable", "PT5M"))
    )
    return Timing(
        ask=reader.choice(given.get("ask", "before"), "/timing/ask", ("before", "after")),
        due=due,
        escalate=tuple(_escalation(reader, row, place) for place, row in enumerate(rows)),
        expires=expires,
        silence=silence,
        hold=hold,
        revocable=revocable,
    )


def _escalation(reader: Reader, value: object, place: int) -> Escalation:
    pointer = f"/timing/escalate/{place}"
    given = reader.mapping(value, pointer, ("after", "role"), ("after", "role"))
    return Escalation(
        after=reader.duration(given.get("after", "PT1S"), f"{pointer}/after", least=_MOMENT),
        role=read_role(reader, given.get("role", "-"), f"{pointer}/role"),
    )


def read_repeat(reader: Reader, value: object) -> Repeat:
    given = reader.mapping(value, "/repeat", ("rounds", "steps"))
    steps: list[int] = []
    for place, row in enumerate(reader.rows(given.get("steps", ()), "/repeat/steps", most=20)):
        least = steps[-1] + 1 if steps else 1  # each step goes further than the one before
        steps.append(reader.integer(row, f"/repeat/steps/{place}", least=least, most=10**9))
    rounds = reader.integer(given.get("rounds", 1), "/repeat/rounds", least=1, most=100)
    return Repeat(rounds, tuple(steps))


def render_timing(timing: Timing) -> dict[str, Any]:
    """Return when people are asked, as JSON."""
    return {
        "ask": timing.ask,
        "due": None if timing.due is None else render_duration(timing.due),
        "escalate": [
            {"after": render_duration(later.after), "role": later.role} for later in timing.escalate
        ],
        "expires": None if timing.expires is None else render_duration(timing.expires),
        "silence": timing.silence,
        "hold": render_duration(timing.hold),
        "revocable": render_duration(timing.revocable),
    }
