"""Arbitrary valid questions, the people asked, and their votes, for property tests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from approvals.options import ALLOWING, EFFECTS
from approvals.question import (
    EDIT_PROPOSAL,
    OFFERED_BY_AI,
    Escalation,
    LadderStep,
    Need,
    Option,
    Question,
    Repeat,
    Stage,
    Timing,
)
from approvals.quorum import Cast, Seated

ROLES = ("reviewer", "Legal", "Finance", "lead")
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

_letters = st.characters(categories=("L", "N", "P", "S"))
texts = st.text(_letters, min_size=1, max_size=30)
keys = st.text(_letters, min_size=1, max_size=12)
durations = st.integers(10, 3650 * 86_400 * 10).map(lambda tenths: timedelta(seconds=tenths / 10))
short_durations = st.integers(0, 30 * 86_400).map(lambda seconds: timedelta(seconds=seconds))
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2**53) + 1, 2**53 - 1)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=6,
)
carried = st.dictionaries(keys, json_values, max_size=3)


@st.composite
def forms(draw: st.DrawFn) -> dict[str, Any]:
    """Return the schema of a small form, as an editor would write it."""
    fields = draw(
        st.dictionaries(
            keys,
            st.fixed_dictionaries(
                {"type": st.sampled_from(["string", "number", "integer", "boolean"])},
                optional={"title": texts, "description": texts, "default": json_values},
            ),
            max_size=4,
        )
    )
    required = draw(st.lists(st.sampled_from(sorted(fields)), unique=True)) if fields else []
    return {"type": "object", "properties": fields, "required": required}


@st.composite
def options(draw: st.DrawFn, key: str, effect: str | None = None) -> Option:
    return Option(
        key=key,
        label=draw(texts),
        effect=effect or draw(st.sampled_from(EFFECTS)),
        reason=draw(st.sampled_from(["optional", "required"])),
        form=draw(st.none() | st.just(EDIT_PROPOSAL) | forms()),
        carries=draw(carried),
    )


@st.composite
def needs(draw: st.DrawFn, *, most: int, shares: bool) -> Need:
    people = draw(
        st.lists(st.integers(1, 9) | st.sampled_from(["ana", "bo"]), max_size=5, unique=True)
        if draw(st.integers(0, 3)) == 0
        else st.just([])
    )
    count: Any = st.integers(1, most)
    if shares:
        count = count | st.sampled_from(["majority", "all"])
    return Need(draw(st.sampled_from(ROLES)), draw(count), tuple(people))


@st.composite
def stages(draw: st.DrawFn, *, most: int, shares: bool) -> Stage:
    rejections: Any = st.integers(1, most)
    rung = st.builds(
        LadderStep,
        above=st.integers(-(10**9), 10**9).map(lambda cents: Decimal(cents) / 100),
        role=st.sampled_from(ROLES),
    )
    return Stage(
        name=draw(texts),
        needs=tuple(draw(st.lists(needs(most=most, shares=shares), min_size=1, max_size=3))),
        rejections=draw(
            rejections | st.sampled_from(["majority", "all"]) if shares else rejections
        ),
        ladder=tuple(draw(st.lists(rung, max_size=2))) if shares else (),
    )


@st.composite
def questions(draw: st.DrawFn, *, resolved: bool = False, most: int = 3) -> Question:
    """Return any valid question; ``resolved`` ones have numbers for counts and no ladder."""
    names = draw(st.lists(keys, max_size=5, unique_by=str.casefold))
    offered = not resolved and draw(st.booleans())
    if not names and not offered:
        names = ["yes"]
    chosen = [draw(options(name)) for name in names]
    if chosen and not offered and all(option.effect == "none" for option in chosen):
        chosen[0] = replace(chosen[0], effect=draw(st.sampled_from(EFFECTS[:4])))
    silent = [option.key for option in chosen if option.effect != "none"]
    timing = Timing(
        ask=draw(st.sampled_from(["before", "after"])),
        due=draw(st.none() | durations),
        escalate=tuple(
            draw(st.lists(st.builds(Escalation, durations, st.sampled_from(ROLES)), max_size=2))
        ),
        expires=draw(st.none() | durations),
        silence=draw(st.none() | st.sampled_from(silent)) if silent else None,
        hold=draw(short_durations),
        revocable=draw(short_durations),
    )
    steps = draw(st.lists(st.integers(1, 10**9), max_size=4, unique=True))
    return Question(
        options=tuple(chosen),
        options_from=OFFERED_BY_AI if offered else None,
        stages=tuple(
            draw(st.lists(stages(most=most, shares=not resolved), min_size=1, max_size=3))
        ),
        timing=timing,
        repeat=Repeat(draw(st.integers(1, 100)), tuple(sorted(steps))),
    )


@st.composite
def ballots(draw: st.DrawFn, *, most: int = 2) -> Question:
    """Return a resolved question that is interesting to count: few roles, every kind of option."""
    effects = draw(st.lists(st.sampled_from(EFFECTS), min_size=1, max_size=4))
    if all(effect == "none" for effect in effects):
        effects.append("allow")
    chosen = [Option(f"{effect}-{place}", effect, effect) for place, effect in enumerate(effects)]
    need = needs(most=draw(st.sampled_from([1, 1, most])), shares=False)
    found = [
        Stage(
            f"Stage {place}",
            tuple(draw(st.lists(need, min_size=1, max_size=2))),
            draw(st.sampled_from([1, 2, 2])),
        )
        for place in range(draw(st.sampled_from([1, 1, 2, 3])))
    ]
    return Question(tuple(chosen), None, tuple(found))


@st.composite
def people(draw: st.DrawFn, question: Question) -> Seated:
    """Return somebody who holds some of the question's seats, escalated ones or strangers'."""
    own = sorted({(p, n.role) for p, stage in enumerate(question.stages) for n in stage.needs})
    others = [(place, role) for place in range(len(question.stages)) for role in ROLES]
    seats = draw(st.frozensets(st.sampled_from(own * 3 + others), max_size=3))
    names = draw(st.frozensets(st.integers(1, 9) | st.sampled_from(["ana", "bo"]), max_size=3))
    return Seated(seats, names)


@st.composite
def casts(draw: st.DrawFn, question: Question, *, most: int = 6) -> list[Cast]:
    """Return votes of different people, in any order, some of them at the same instant."""
    effects = {option.key: option.effect for option in question.options}
    # A favourite makes winners common, where independent choices would make them rare.
    favourite = draw(st.sampled_from(sorted(effects)))
    choices = st.sampled_from([favourite] * 4 + sorted(effects) + ["nothing-asked"])
    found = []
    for voter in range(1, draw(st.integers(0, most)) + 1):
        person, choice = draw(people(question)), draw(choices)
        allows = effects.get(choice) in ALLOWING
        found.append(
            Cast(
                voter=voter,
                choice=choice,
                outcome=draw(st.sampled_from(["", "", "", "other"])) if allows else "",
                seats=person.seats,
                eligible=draw(st.integers(0, 6)) > 0,
                at=MORNING + timedelta(seconds=draw(st.integers(0, 9))),
                vote_id=f"v{voter}",
                names=person.names,
            )
        )
    return found
