"""The question put to people: how it is read, made ready for one ticket, and written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from approvals.options import EDIT_PROPOSAL, Option, read_options, render_option
from approvals.reading import QuestionInvalid, Reader
from approvals.stages import (
    LadderStep,
    Need,
    Stage,
    read_stage,
    render_stage,
    resolve_stage,
)
from approvals.timing import (
    Escalation,
    Repeat,
    Timing,
    read_repeat,
    read_timing,
    render_timing,
)

__all__ = [
    "EDIT_PROPOSAL",
    "Escalation",
    "LadderStep",
    "Need",
    "Option",
    "Question",
    "QuestionInvalid",
    "Repeat",
    "Stage",
    "Timing",
    "parse_question",
    "render_question",
    "resolve",
]

OFFERED_BY_AI = "ai.options"
_NOTHING_TO_ANSWER = "At least one option must settle the question."


@dataclass(frozen=True)
class Question:
    """What is asked of whom. ``options`` may be empty only while ``options_from`` is to fill it."""

    options: tuple[Option, ...]
    options_from: str | None
    stages: tuple[Stage, ...]
    timing: Timing = field(default_factory=Timing)
    repeat: Repeat = field(default_factory=Repeat)


def parse_question(data: object) -> Question:
    """Return the question a JSON object describes; what is left out takes its safe default.

    Exact inverse of `render_question`. Numbers, texts, forms and lists are bounded.

    :raises QuestionInvalid: naming every error with its place.
    """
    reader = Reader()
    known = ("options", "options_from", "stages", "timing", "repeat")
    given = reader.mapping(data, "", known, ("stages",))
    options_from = given.get("options_from")
    if options_from is not None:
        options_from = reader.choice(options_from, "/options_from", (OFFERED_BY_AI,))
    options = read_options(reader, given.get("options", ()), "/options")
    if not options_from and all(option.effect == "none" for option in options):
        reader.refuse("/options", _NOTHING_TO_ANSWER)
    stages = tuple(
        read_stage(reader, row, f"/stages/{place}")
        for place, row in enumerate(
            reader.rows(given.get("stages", ()), "/stages", least=1, most=10)
        )
    )
    timing = read_timing(reader, given.get("timing", {}), {o.key: o.effect for o in options})
    repeat = read_repeat(reader, given.get("repeat", {}))
    reader.finish()
    return Question(options, options_from, stages, timing, repeat)


def render_question(question: Question) -> dict[str, Any]:
    """Return the question as JSON, every key present: what editors see and decisions freeze."""
    return {
        "options": [render_option(option) for option in question.options],
        "options_from": question.options_from,
        "stages": [render_stage(stage) for stage in question.stages],
        "timing": render_timing(question.timing),
        "repeat": {"rounds": question.repeat.rounds, "steps": list(question.repeat.steps)},
    }


def resolve(
    question: Question,
    *,
    eligible: Callable[[int, int], int],
    amount: Decimal | float | None = None,
) -> Question:
    """Return the question with every count a number, ready to be frozen for one ticket.

    ``eligible(stage_index, need_index)`` says how many people could fill that need now (listed
    people only, own work left out). ``majority`` is more than half of them, ``all`` each of them,
    at least one; in ``rejections`` they count the stage's largest need. The highest ladder step
    below ``amount`` adds its role to its stage; so does the highest of all where the amount is
    unknown, or leaving it out would be the way around it. Resolving again changes nothing.

    :raises QuestionInvalid: when nothing has filled the options yet.
    """
    if all(option.effect == "none" for option in question.options):
        raise QuestionInvalid([{"pointer": "/options", "message": _NOTHING_TO_ANSWER}])
    known = None if amount is None else Decimal(str(amount))
    stages = tuple(
        resolve_stage(stage, [eligible(place, n) for n in range(len(stage.needs))], known)
        for place, stage in enumerate(question.stages)
    )
    return replace(question, stages=stages)
