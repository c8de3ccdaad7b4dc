"""Who must agree: needs, stages and ladders, how they are read, written down and made numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Literal, TypeAlias

from approvals.reading import Reader

Count: TypeAlias = int | Literal["majority", "all"]
SHARES = ("majority", "all")
MOST_PEOPLE = 100_000  # "all" of a large role becomes such a number


@dataclass(frozen=True)
class Need:
    """How many people of a role must agree. ``people`` (ids, user names) narrows the role."""

    role: str
    count: Count
    people: tuple[int | str, ...] = ()


@dataclass(frozen=True)
class LadderStep:
    """Above this amount, one person of this role is needed as well."""

    above: Decimal
    role: str


@dataclass(frozen=True)
class Stage:
    """One step: all of its needs, and how many votes for the same refusing option end it."""

    name: str
    needs: tuple[Need, ...]
    rejections: Count = 1
    ladder: tuple[LadderStep, ...] = ()


def read_stage(reader: Reader, value: object, pointer: str) -> Stage:
    given = reader.mapping(value, pointer, ("name", "needs", "rejections", "ladder"), ("needs",))
    place = int(pointer.rsplit("/", 1)[1])
    ladder = reader.rows(given.get("ladder", ()), f"{pointer}/ladder", most=20)
    # A ladder may add a need, and what it adds to must still be readable.
    most = 9 if ladder else 10
    needs = reader.rows(given.get("needs", ()), f"{pointer}/needs", least=1, most=most)
    return Stage(
        name=reader.text(given.get("name", f"Stage {place + 1}"), f"{pointer}/name", most=80),
        needs=tuple(read_need(reader, row, f"{pointer}/needs/{i}") for i, row in enumerate(needs)),
        rejections=_count(reader, given.get("rejections", 1), f"{pointer}/rejections"),
        ladder=tuple(
            _ladder_step(reader, row, f"{pointer}/ladder/{i}") for i, row in enumerate(ladder)
        ),
    )


def read_need(reader: Reader, value: object, pointer: str) -> Need:
    given = reader.mapping(value, pointer, ("role", "count", "people"), ("role",))
    people: list[int | str] = []
    rows = reader.rows(given.get("people", ()), f"{pointer}/people", most=200)
    for place, person in enumerate(rows):
        where = f"{pointer}/people/{place}"
        if isinstance(person, int):
            name: int | str = reader.integer(person, where, least=1, most=2**53 - 1)
        else:
            name = reader.key(person, where, most=150)
        if name in people:
            reader.refuse(where, "This person is named twice.")
        people.append(name)
    count = _count(reader, given.get("count", 1), f"{pointer}/count")
    role = read_role(reader, given.get("role", "-"), f"{pointer}/role")
    return Need(role, count, tuple(people))


def _ladder_step(reader: Reader, value: object, pointer: str) -> LadderStep:
    given = reader.mapping(value, pointer, ("above", "role"), ("above", "role"))
    return LadderStep(
        above=reader.number(given.get("above", 0), f"{pointer}/above"),
        role=read_role(reader, given.get("role", "-"), f"{pointer}/role"),
    )


def read_role(reader: Reader, value: object, pointer: str) -> str:
    return reader.text(value, pointer, most=150)


def _count(reader: Reader, value: object, pointer: str) -> Count:
    if value == "majority":
        return "majority"
    if value == "all":
        return "all"
    if isinstance(value, str):
        reader.refuse(pointer, f"Use a number, {' or '.join(SHARES)}.")
        return 1
    return reader.integer(value, pointer, least=1, most=MOST_PEOPLE)


def render_stage(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "needs": [
            {"role": need.role, "count": need.count, "people": list(need.people)}
            for need in stage.needs
        ],
        "rejections": stage.rejections,
        "ladder": [{"above": _number(rung.above), "role": rung.role} for rung in stage.ladder],
    }


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)


def resolve_stage(stage: Stage, eligible: list[int], amount: Decimal | None) -> Stage:
    """Return the stage with numbers for shares, and the need its ladder adds for this amount."""
    needs = [
        replace(need, count=_share(need.count, people))
        for need, people in zip(stage.needs, eligible, strict=True)
    ]
    unknown = amount is None or not amount.is_finite()
    climbed = [rung for rung in stage.ladder if unknown or (amount or 0) > rung.above]
    if climbed:
        needs.append(Need(max(climbed, key=lambda rung: rung.above).role, 1))
    rejections = _share(stage.rejections, max(eligible))
    return Stage(stage.name, tuple(needs), rejections, ladder=())


def _share(count: Count, people: int) -> int:
    if count == "majority":
        return people // 2 + 1
    if count == "all":
        return max(people, 1)
    return count
