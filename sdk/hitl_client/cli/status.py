"""What works and what is misconfigured, as far as this side can tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from hitl_client import flows, person_calls
from hitl_client.calls import Call
from hitl_client.cli import emergency
from hitl_client.cli.screen import Screen
from hitl_client.cli.show import mapping, sequence, text
from hitl_client.cli.work import DONE, REFUSED, Usage, Work, given_token, hint_of
from hitl_client.connection import Connection
from hitl_client.errors import HitlError
from hitl_client.transport import Bearer

MOST_COUNTED = 1000
MOST_DRIFT = 60.0
"""Seconds the two clocks may differ before links and receipts end at surprising times."""
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass
class Report:
    """What was found: `alarms` let things pass without people, `faults` keep things from working,
    `warnings` are worth a look.
    """

    url: str
    ready: bool = False
    me: dict[str, Any] | None = None
    pending: dict[str, Any] | None = None
    stands: dict[str, Any] | None = None
    alarms: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def print_on(self, screen: Screen) -> int:
        """Print it and return the exit code: 1 when there is a fault."""
        screen.document(vars(self))
        screen.line(f"Service   {self.url}: {'ready' if self.ready else 'NOT READY'}")
        if self.me is not None:
            roles = ", ".join(map(text, sequence(self.me.get("roles")))) or "no role"
            machine = self.me.get("kind") == "machine"
            what = "a service key: submits and reads, never votes" if machine else roles
            screen.line(f"You       {text(self.me.get('username'))} ({what})")
        if self.pending is not None:
            by = mapping(self.pending["by_priority"])
            counts = ", ".join(f"{text(name)} {count}" for name, count in by.items())
            more = "+" if self.pending["more"] else ""
            screen.line(
                f"Pending   {self.pending['count']}{more}{f' ({counts})' if counts else ''}"
            )
        for alarm in self.alarms:
            screen.line(f"RED       {alarm}")
        for slug in emergency.paused(self.stands or {}):
            screen.line(f"Paused    {slug}: an alert there waits to be acknowledged.")
        for fault in self.faults:
            screen.line(f"FAULT     {fault}")
        for warning in self.warnings:
            screen.line(f"Warning   {warning}")
        if not self.alarms and not self.faults and not self.warnings:
            screen.line("Nothing is misconfigured, as far as this token can see.")
        return REFUSED if self.faults else DONE


def look(url: str, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Report:
    """Return what can be found out about the service and the caller."""
    report = Report(url)
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        report.warnings.append("HITL_URL is http://: the token travels unencrypted.")
    key = _key(report)
    # Tried once: a report of what fails should not wait for it to get better.
    connection = Connection(url, key, retries=0)
    try:
        answers = _readiness(report, connection, now)
        if key is not None and answers:
            _caller(report, connection)
    finally:
        connection.close()
    return report


def pages(
    work: Work | Connection, page: Callable[..., Call], *, most: int
) -> tuple[list[dict[str, Any]], bool]:
    """Return at most `most` items of a paged list, and whether there are more."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        limit = min(most - len(items), person_calls.LONGEST_PAGE)
        answer = work.send(page(cursor=cursor, limit=limit))
        items += [item for item in sequence(answer.get("data")) if isinstance(item, dict)]
        following = answer.get("next_cursor")
        if not isinstance(following, str) or following == cursor or len(items) >= most:
            return items[:most], isinstance(following, str)
        cursor = following


def _key(report: Report) -> Bearer | None:
    try:
        token = given_token()
        if token is not None:
            return Bearer(token)
        report.faults.append("HITL_TOKEN is not set: nobody is asking.")
    except Usage as problem:
        report.faults.append(f"{problem}.")
    except ValueError:
        report.faults.append("HITL_TOKEN holds no token: one word, such as hitl_…")
    return None


def _readiness(report: Report, connection: Connection, now: Callable[[], datetime]) -> bool:
    """Find out whether the service works; return whether it answers at all."""
    try:
        answer = connection.drive(flows.exchange(connection.around, person_calls.ready()))
    except HitlError as error:
        faults = mapping(error.problem.get("faults"))
        report.faults += [f"{text(part)}: {text(fault)}" for part, fault in faults.items()]
        if not faults:
            report.faults.append(f"{error}. {hint_of(error) or ''}".strip())
        return error.status is not None
    report.ready = True
    try:
        there = parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return True
    drift = abs((there - now()).total_seconds()) if there.tzinfo else 0.0
    if drift > MOST_DRIFT:
        report.warnings.append(f"This machine's clock and the service's differ by {drift:.0f} s.")
    return True


def _caller(report: Report, connection: Connection) -> None:
    try:
        me = connection.send(person_calls.me())
        machine = me.get("kind") == "machine"
        page = person_calls.opened if machine else person_calls.waiting
        report.me = {name: me.get(name) for name in ("username", "kind", "roles", "regions")}
        waiting, more = pages(connection, page, most=MOST_COUNTED)
        kinds, _ = pages(connection, person_calls.checkpoints, most=MOST_COUNTED)
    except HitlError as error:
        report.faults.append(f"{error}. {hint_of(error) or ''}".strip())
        return
    _standing(report, connection)
    if not machine and not me.get("roles"):
        report.warnings.append("You have no role: nothing will ever wait for your vote.")
    by_priority = Counter(text(ticket.get("priority")) for ticket in waiting)
    report.pending = {"count": len(waiting), "more": more, "by_priority": dict(by_priority)}
    report.warnings += [_off(kind) for kind in kinds if kind.get("asks") is False]


def _standing(report: Report, connection: Connection) -> None:
    try:
        report.stands = connection.send(person_calls.standing())
    except HitlError as error:
        report.warnings.append(f"Whether something passes without people is not known: {error}.")
        return
    report.alarms += emergency.alarms(report.stands)
    report.faults += emergency.findings(report.stands, "error")
    report.warnings += emergency.findings(report.stands, "warning")


def _off(kind: Mapping[str, Any]) -> str:
    return f"{text(kind.get('slug'))} asks nobody: its feature flag is off, everything passes."
