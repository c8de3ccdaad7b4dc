"""What is wrong with a question although it can be read: nobody could ever answer it, for one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Literal

from approvals.options import Option
from approvals.question import Question, resolve
from approvals.reachability import Demand, can_be_met
from approvals.safeguards import Safeguards, allowing_silence
from approvals.stages import Stage
from approvals.walks import Names

Severity = Literal["error", "warning"]
_LOWEST = Decimal("-1e12")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. An `error` is never published; a `warning` is told."""

    severity: Severity
    code: str
    pointer: str
    message: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class RolePeople:
    """Who may answer for a role now: {id: the names they are listed under}.

    `appointed` roles get their one person when a question is opened, so nobody is known before.
    """

    people: Mapping[int, Names]
    appointed: bool = False


def lint(
    question: Question,
    safeguards: Safeguards,
    *,
    roles: Mapping[str, RolePeople],
    authors: Mapping[str, Collection[int]] | None = None,
) -> list[Finding]:
    """Return what is wrong with a question, errors first.

    :param roles: who the roles' people are now; a role that is missing has nobody.
    :param authors: for each program that asks, whose work that always is ({key: user ids}).
    """
    found = [
        *_silence(question, safeguards),
        *_empty_roles(question, roles),
        *_strangers(question, roles),
        *_reach(question, roles, authors or {}),
    ]
    return sorted(found, key=lambda finding: finding.severity)


def _silence(question: Question, safeguards: Safeguards) -> Iterator[Finding]:
    silent = allowing_silence(question)
    if silent is not None and not safeguards.silence_may_allow:
        yield Finding(
            "error",
            "silence-allows",
            "/timing/silence",
            f"Silence would mean {silent}, which allows; switch on `silence_may_allow`.",
        )


def _empty_roles(question: Question, roles: Mapping[str, RolePeople]) -> Iterator[Finding]:
    def empty(role: str) -> bool:
        known = roles.get(role)
        return known is None or not (known.people or known.appointed)

    for place, stage in enumerate(question.stages):
        for n, need in enumerate(stage.needs):
            if empty(need.role):
                yield _empty("error", f"/stages/{place}/needs/{n}/role", need.role)
        for n, rung in enumerate(stage.ladder):
            if empty(rung.role):
                yield _empty("error", f"/stages/{place}/ladder/{n}/role", rung.role)
    for n, later in enumerate(question.timing.escalate):
        if empty(later.role):
            yield _empty("warning", f"/timing/escalate/{n}/role", later.role)


def _empty(severity: Severity, pointer: str, role: str) -> Finding:
    return Finding(severity, "role-empty", pointer, f"Nobody who can sign in belongs to {role}.")


def _strangers(question: Question, roles: Mapping[str, RolePeople]) -> Iterator[Finding]:
    """Find people who are named and hold no seat: naming them asks nobody."""
    for place, stage in enumerate(question.stages):
        for n, need in enumerate(stage.needs):
            known = roles.get(need.role, RolePeople({}))
            if known.appointed:
                continue
            seated = frozenset[int | str]().union(*known.people.values())
            for p, name in enumerate(need.people):
                if name not in seated:
                    yield Finding(
                        "error" if seated.isdisjoint(need.people) else "warning",
                        "person-without-seat",
                        f"/stages/{place}/needs/{n}/people/{p}",
                        f"{name} does not belong to {need.role}, so their vote cannot count.",
                    )


def _reach(
    question: Question,
    roles: Mapping[str, RolePeople],
    authors: Mapping[str, Collection[int]],
) -> Iterator[Finding]:
    if not any(option.effect != "none" for option in question.options):
        question = _answerable(question)
    everybody = {person for known in roles.values() for person in known.people}
    rungs = sorted({rung.above for stage in question.stages for rung in stage.ladder})
    for amount in (_LOWEST, *(above + 1 for above in rungs)):
        above = "" if amount == _LOWEST else f" above {amount - 1:f}"
        if not _reachable(question, roles, frozenset(), amount):
            yield Finding(
                "error",
                "quorum-unreachable",
                "/stages",
                f"There are too few different people for all that is needed{above}.",
            )
            return
        shut_out = [
            name
            for name, own in authors.items()
            if not _reachable(question, roles, frozenset(own), amount)
        ]
        if shut_out:
            nobody = len(shut_out) == len(authors)
            yield Finding(
                "error" if nobody else "warning",
                "own-work-only",
                "/stages",
                f"What {_listed(shut_out)} asks{above} is the own work of people it takes; "
                "without them there are too few.",
            )
            return
    if any(not _reachable(question, roles, frozenset({one}), _LOWEST) for one in everybody):
        yield Finding(
            "warning",
            "no-one-to-spare",
            "/stages",
            "When one of the people asks for something themselves, too few others are left.",
        )


def _answerable(question: Question) -> Question:
    """Return a question whose options a caller will bring, with one that stands for them."""
    return replace(question, options=(Option("offered", "Offered", "answer"),), options_from=None)


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _reachable(
    question: Question,
    roles: Mapping[str, RolePeople],
    own_work: Collection[int],
    amount: Decimal,
) -> bool:
    """Tell whether different people could fill every need, those of own work left out."""

    def fitting(stage: Stage, n: int) -> frozenset[int]:
        need = stage.needs[n]
        known = roles.get(need.role, RolePeople({}))
        return frozenset(
            person
            for person, names in known.people.items()
            if person not in own_work and (not need.people or not names.isdisjoint(need.people))
        )

    def eligible(place: int, n: int) -> int:
        return len(fitting(question.stages[place], n))

    asked = resolve(question, eligible=eligible, amount=amount)
    groups: dict[int, int] = {}
    bits: dict[int, int] = {}
    demands, bit = [], 1
    for stage in asked.stages:
        for n, need in enumerate(stage.needs):
            known = roles.get(need.role)
            # Who is appointed is known only then; one person each, taken to be somebody else.
            if known is None or not known.appointed:
                demands.append(Demand(int(need.count), bit))
                for person in fitting(stage, n):
                    bits[person] = bits.get(person, 0) | bit
            bit <<= 1
    for fits in bits.values():
        groups[fits] = groups.get(fits, 0) + 1
    return can_be_met(demands, groups)
