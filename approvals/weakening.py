"""What a new version of a question asks less of than the one before, as sentences for people.

When in doubt it says so: a sentence too many costs its publisher a password.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from approvals.durations import render_duration
from approvals.options import ALLOWING, Option
from approvals.question import Question
from approvals.safeguards import weakened
from approvals.spoken import spoken_count, spoken_length
from approvals.stages import Count, Need, Stage
from approvals.timing import Timing


def weakenings(
    before: Question,
    after: Question,
    *,
    safeguards: tuple[Mapping[str, Any], Mapping[str, Any]] = ({}, {}),
    replacing: tuple[Collection[str], Collection[str]] = ((), ()),
) -> list[str]:
    """Return one sentence for each way in which `after` protects less than `before`.

    `safeguards` and `replacing` (the roles that may replace decisions) are (before, after).
    """
    return [
        *_stages(before.stages, after.stages),
        *_options(before, after),
        *_timing(before, after),
        *weakened(*safeguards),
        *(
            f"People of {role} may now replace decisions."
            for role in sorted(set(replacing[1]) - set(replacing[0]))
        ),
    ]


def _stages(before: Sequence[Stage], after: Sequence[Stage]) -> Iterator[str]:
    if len(after) < len(before):
        yield f"It is asked in {len(after)} step{'s' * (len(after) > 1)} instead of {len(before)}."
    names = [stage.name for stage in after]
    for place, stage in enumerate(before):
        # By name where the name is still there, so that a new step in front moves nothing.
        at = names.index(stage.name) if names.count(stage.name) == 1 else place
        if at >= len(after):
            yield f"The step “{stage.name}” is gone."
            continue
        yield from _stage(stage, after[at])


def _stage(before: Stage, after: Stage) -> Iterator[str]:
    step = f"“{before.name}”"
    for need in before.needs:
        # The same role may stand in several needs, for different people.
        same = [other for other in after.needs if other.role == need.role]
        if not same:
            yield f"{need.role} is no longer asked in {step}."
        elif not any(_as_strict(need, other) for other in same):
            yield from _need(need, max(same, key=lambda other: _rank(other.count)), step)
    if len(after.needs) < len(before.needs) and not _roles(before) - _roles(after):
        yield f"{step} asks for {len(after.needs)} instead of {len(before.needs)} agreements."
    if _rank(after.rejections) > _rank(before.rejections):
        rejections = f"{after.rejections} rejections instead of {before.rejections}"
        yield f"It takes {rejections} to stop it in {step}."
    for rung in before.ladder:
        above = [other.above for other in after.ladder if other.role == rung.role]
        if not above:
            yield f"{rung.role} is no longer asked above {_amount(rung.above)}."
        elif min(above) > rung.above:
            yield (
                f"{rung.role} is asked above {_amount(min(above))} "
                f"instead of above {_amount(rung.above)}."
            )


def _roles(stage: Stage) -> set[str]:
    return {need.role for need in stage.needs}


def _as_strict(before: Need, after: Need) -> bool:
    if not after.people and before.people:
        return False
    if before.people and not set(after.people) <= set(before.people):
        return False
    return _at_least(after.count, before.count)


def _need(before: Need, after: Need, step: str) -> Iterator[str]:
    if not _at_least(after.count, before.count):
        fewer = spoken_count(before.count, before.role)
        yield f"{step} asks for {spoken_count(after.count, after.role)} instead of {fewer}."
    if before.people and not (after.people and set(after.people) <= set(before.people)):
        yield f"In {step} more people of {before.role} may answer than those named before."


def _at_least(count: Count, before: Count) -> bool:
    """Tell whether a count asks for as many as before, however many people the role has."""
    if count == before or (count == "all" and before == "majority") or before == 1:
        return True
    return isinstance(count, int) and isinstance(before, int) and count >= before


def _rank(count: Count) -> float:
    return {"majority": 1e6, "all": 2e6}[count] if isinstance(count, str) else float(count)


def _amount(value: Decimal) -> str:
    return f"{value:,}".replace(",", "\u202f")


def _options(before: Question, after: Question) -> Iterator[str]:
    if after.options_from and not before.options_from:
        yield "The agent itself offers the answers."
    old = {option.key: option for option in before.options}
    new = {option.key: option for option in after.options}
    for option in after.options:
        was = old.get(option.key)
        if option.effect in ALLOWING and (was is None or was.effect not in ALLOWING):
            yield f"“{option.label}” now lets it go on."
        if was is not None and was.reason == "required" and option.reason != "required":
            yield f"“{option.label}” needs no reason any more."
        if was is not None and _form_gone(was, option):
            yield f"“{option.label}” asks for less than before."
    for option in before.options:
        now = new.get(option.key)
        if option.effect == "deny" and (now is None or now.effect != "deny"):
            yield f"“{option.label}” no longer stops it."


def _form_gone(before: Option, after: Option) -> bool:
    asked = before.form.get("required", []) if isinstance(before.form, dict) else []
    still = after.form.get("required", []) if isinstance(after.form, dict) else []
    return not set(asked) <= set(still)


def _timing(before: Question, after: Question) -> Iterator[str]:
    old, new = before.timing, after.timing
    if new.ask == "after" and old.ask == "before":
        yield "It is done first, and people are asked afterwards."
    if _silence_allows(after):
        if not _silence_allows(before):
            yield "Nobody answering now lets it go on."
        elif _sooner(old.expires, new.expires):
            yield f"Silence lets it go on sooner: {_ends(new)} instead of {_ends(old)}."
    if new.hold < old.hold:
        yield f"It takes effect sooner: {_length(new.hold)} instead of {_length(old.hold)} after."
    if new.revocable != old.revocable:
        more = "longer" if new.revocable > old.revocable else "shorter"
        yield (
            f"A decision can be revoked for a {more} time: "
            f"{_length(new.revocable)} instead of {_length(old.revocable)}."
        )
    gone = sorted({s.role for s in old.escalate} - {s.role for s in new.escalate})
    yield from (f"{role} is no longer called when nobody answers." for role in gone)
    if before.repeat.steps and not after.repeat.steps:
        yield "It is rolled out at once, not step by step."


def _silence_allows(question: Question) -> bool:
    key = question.timing.silence
    return any(o.key == key and o.effect in ALLOWING for o in question.options)


def _sooner(before: timedelta | None, after: timedelta | None) -> bool:
    return after is not None and (before is None or after < before)


def _ends(timing: Timing) -> str:
    return "by priority" if timing.expires is None else f"after {_length(timing.expires)}"


def _length(span: timedelta) -> str:
    return spoken_length(render_duration(span), nothing="no time")
