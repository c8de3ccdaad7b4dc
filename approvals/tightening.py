"""What a requester may change of a question somebody else wrote: only what makes it stricter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from approvals.options import ALLOWING, Option, read_options, render_option
from approvals.question import Question, render_question
from approvals.reading import Reader, step
from approvals.stages import Count, Need, Stage, read_need
from approvals.timing import Timing, render_timing

# Without an expiry of its own a question lasts by priority, and never less than this; only what
# is not later than this is earlier whatever the priority.
_SHORTEST_BY_PRIORITY = timedelta(hours=24)
_FIXED = "A requester cannot change this."


def tighten(question: Question, requested: object) -> Question:
    """Return the question as a requester asked for it, which is never looser than it was.

    ``requested`` is part of a question as JSON. ``options`` is the whole list wanted: keys or
    objects. A key of the question's own stands for the question's own option, whatever else is
    sent; only an answer's missing form may be brought. Any other key brings an option with
    effect ``answer``. ``timing.expires`` may come earlier, ``stages[].needs[].people`` may name
    fewer people. Everything else may only repeat what the question says.

    :raises QuestionInvalid: naming everything that would loosen the question or change it.
    """
    reader = Reader()
    known = ("options", "options_from", "stages", "timing", "repeat")
    given = reader.mapping(requested, "", known)
    rendered = render_question(question)
    _refuse_changes(reader, given, rendered, "", ("options_from", "repeat"))
    options, stages, timing = question.options, question.stages, question.timing
    if "options" in given:
        options = _options(reader, question, given["options"])
    if "timing" in given:
        timing = _timing(reader, timing, given["timing"])
    if "stages" in given:
        stages = _stages(reader, stages, given["stages"], rendered["stages"])
    reader.finish()
    return replace(question, options=options, stages=stages, timing=timing)


def _refuse_changes(
    reader: Reader,
    given: Mapping[str, Any],
    own: Mapping[str, Any],
    pointer: str,
    fixed: tuple[str, ...],
) -> None:
    for key in fixed:
        if key in given and given[key] != own[key]:
            reader.refuse(step(pointer, key), _FIXED)


def _options(reader: Reader, question: Question, value: object) -> tuple[Option, ...]:
    own = {option.key: option for option in question.options}
    before = len(reader.errors)
    given = reader.rows(value, "/options", least=1, most=50)
    if len(reader.errors) > before:
        return ()
    rows = [_row(reader, row, f"/options/{place}", own) for place, row in enumerate(given)]
    before = len(reader.errors)
    wanted = read_options(reader, rows, "/options")
    if len(reader.errors) > before:
        return wanted
    _refuse_lookalikes(reader, wanted, own)
    effects = {option.effect for option in wanted}
    denying = [option.key for option in question.options if option.effect == "deny"]
    if denying and effects & ALLOWING and "deny" not in effects:
        reader.refuse("/options", f"People must be able to say no: keep {' or '.join(denying)}.")
    silence = question.timing.silence
    if silence is not None and silence not in {option.key for option in wanted}:
        reader.refuse("/options", f"Keep {silence}: it is what silence means here.")
    if effects <= {"none"} and question.options_from is None:
        reader.refuse("/options", "At least one option must settle the question.")
    return wanted


# Scripts whose letters may be taken for one another's.
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})


def _refuse_lookalikes(
    reader: Reader, wanted: tuple[Option, ...], own: Mapping[str, Option]
) -> None:
    """Refuse an answer that is brought and would be taken for another: a "Reject" that allows."""
    taken = {_folded(name): o.key for o in own.values() for name in (o.key, o.label)}
    for place, option in enumerate(wanted):
        if option.key in own:
            continue
        for member in ("key", "label"):
            name = _folded(getattr(option, member))
            if taken.setdefault(name, option.key) != option.key:
                message = "This is too like one of the question's own."
                reader.refuse(f"/options/{place}/{member}", message)
                break
            if _mixed(name):
                message = "Write each word in letters of one script."
                reader.refuse(f"/options/{place}/{member}", message)


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text).casefold().replace("_", " ")
    shown = "".join(letter for letter in plain if unicodedata.category(letter) != "Cf")
    return " ".join(shown.split())


def _mixed(text: str) -> bool:
    if text.isascii():
        return False
    words = re.findall(r"\w+", text)
    scripts = ({unicodedata.name(letter, "").split(" ")[0] for letter in word} for word in words)
    return any(len(found & _ALIKE) > 1 for found in scripts)


def _row(reader: Reader, value: object, pointer: str, own: Mapping[str, Option]) -> object:
    """Return one wanted option in full, as JSON ready to be read."""
    row = {"key": value} if isinstance(value, str) else value
    if not isinstance(row, Mapping):
        return row
    mine = own.get(row["key"]) if isinstance(row.get("key"), str) else None
    if mine is not None:
        rendered = render_option(mine)
        fixed: tuple[str, ...] = ("label", "effect", "reason", "form", "carries")
        reader.mapping(row, pointer, ("key", *fixed))
        # An own form may ask for what the question's author relies on; only its absence is free.
        if mine.form is None and mine.effect == "answer" and isinstance(row.get("form"), Mapping):
            rendered["form"] = row["form"]
        _refuse_changes(reader, row, rendered, pointer, fixed)
        return rendered
    if row.get("effect", "answer") != "answer":
        # Silently turning a "deny" into an answer would let the caller go on after a no.
        reader.refuse(f"{pointer}/effect", "An option you bring is an answer.")
    if isinstance(row.get("form"), str):
        reader.refuse(f"{pointer}/form", "An option you bring cannot change the proposal.")
    return {"label": row.get("key"), **row, "effect": "answer"}


def _timing(reader: Reader, own: Timing, value: object) -> Timing:
    rendered = render_timing(own)
    given = reader.mapping(value, "/timing", tuple(rendered))
    # Afterwards an earlier end is no tighter: it is less time to say no.
    fixed = tuple(key for key in rendered if key != "expires" or own.ask == "after")
    _refuse_changes(reader, given, rendered, "/timing", fixed)
    if "expires" in fixed or given.get("expires", rendered["expires"]) == rendered["expires"]:
        return own
    latest = _SHORTEST_BY_PRIORITY if own.expires is None else own.expires
    moment = min(timedelta(seconds=1), latest)
    expires = reader.duration(given["expires"], "/timing/expires", least=moment, most=latest)
    return replace(own, expires=expires)


def _stages(
    reader: Reader, own: tuple[Stage, ...], value: object, rendered: list[dict[str, Any]]
) -> tuple[Stage, ...]:
    rows = reader.rows(value, "/stages", least=len(own), most=len(own))
    stages = []
    for place, (stage, row) in enumerate(zip(own, rows, strict=False)):
        pointer = f"/stages/{place}"
        given = reader.mapping(row, pointer, ("name", "needs", "rejections", "ladder"))
        _refuse_changes(reader, given, rendered[place], pointer, ("name", "rejections", "ladder"))
        needs = stage.needs
        if "needs" in given:
            count = len(needs)
            wanted = reader.rows(given["needs"], f"{pointer}/needs", least=count, most=count)
            needs = tuple(
                _need(reader, need, item, f"{pointer}/needs/{n}")
                for n, (need, item) in enumerate(zip(needs, wanted, strict=False))
            )
        stages.append(replace(stage, needs=needs))
    return tuple(stages)


def _need(reader: Reader, own: Need, value: object, pointer: str) -> Need:
    given = reader.mapping(value, pointer, ("role", "count", "people"))
    _refuse_changes(
        reader, given, {"role": own.role, "count": own.count}, pointer, ("role", "count")
    )
    if "people" not in given:
        return own
    row = {"role": own.role, "count": own.count, "people": given["people"]}
    narrowed = read_need(reader, row, pointer)
    if own.people and not (narrowed.people and set(narrowed.people) <= set(own.people)):
        reader.refuse(f"{pointer}/people", "Name some of the people named already, nobody else.")
    elif (
        isinstance(own.count, int)
        and len(narrowed.people) < own.count
        and narrowed.people != own.people
    ):
        reader.refuse(f"{pointer}/people", f"{own.count} people are needed; name as many.")
    return narrowed


_SHARES = ("majority", "all")


def ask_share(question: Question, share: str) -> Question:
    """Return the question asking a share of its people: ``majority``, ``all``, or ``any`` of them.

    One person may become a majority or all, a majority all; never less. Where all must agree, one
    rejection is enough to end it.

    :raises QuestionInvalid: where the question already asks for something else, which would loosen.
    """
    reader = Reader()
    stages = []
    for place, stage in enumerate(question.stages):
        needs = []
        for n, need in enumerate(stage.needs):
            if not _reaches(need.count, share):
                reader.refuse(
                    f"/stages/{place}/needs/{n}/count",
                    f"This question asks for {need.count} of {need.role}; {share} might be fewer.",
                )
            fixed = share == "any" or need.count == share
            needs.append(need if fixed else replace(need, count=_share_of(share)))
        rejections = 1 if share == "all" else stage.rejections
        stages.append(replace(stage, needs=tuple(needs), rejections=rejections))
    reader.finish()
    return replace(question, stages=tuple(stages))


def _reaches(count: Count, share: str) -> bool:
    """Tell whether a share of people is never fewer than this count."""
    if count == 1:
        return True
    if share == "any":
        return False
    return isinstance(count, str) and _SHARES.index(share) >= _SHARES.index(count)


def _share_of(share: str) -> Count:
    return "all" if share == "all" else "majority"


def ask_only(question: Question, people: Mapping[str, int]) -> Question:
    """Return the question asking these people alone ({user name: id}), in every stage and need.

    Whom a need already names it goes on naming, as far as they are among them.

    :raises QuestionInvalid: where nobody of them would be left, or too few.
    """
    reader = Reader()
    stages = []
    known = {*people, *people.values()}
    for place, stage in enumerate(question.stages):
        needs = []
        for n, need in enumerate(stage.needs):
            left = tuple(name for name in need.people if name in known) if need.people else None
            named = tuple(people) if left is None else left
            if len(named) < (need.count if isinstance(need.count, int) else 1):
                reader.refuse(
                    f"/stages/{place}/needs/{n}/people",
                    f"{need.count} of {need.role} must answer; too few of the people named may.",
                )
            needs.append(replace(need, people=named))
        stages.append(replace(stage, needs=tuple(needs)))
    reader.finish()
    return replace(question, stages=tuple(stages))


def mean_by_silence(question: Question, key: str, *, may_allow: bool) -> Question:
    """Return the question in which nobody's answer means this option.

    :raises QuestionInvalid: for an option there is not, that never counts or sends back, or that
        allows where silence may not.
    """
    effects = {option.key: option.effect for option in question.options}
    effect = effects.get(key)
    own = question.timing.silence == key
    reader = Reader()
    if effect is None:
        reader.refuse("", f"Choose one of: {', '.join(effects)}.")
    elif effect not in ("deny", *ALLOWING):
        reader.refuse("", f"{key} does not end the question.")
    elif effect in ALLOWING and not (own or may_allow):
        reader.refuse("", f"Silence may not mean {key} here, because it allows.")
    reader.finish()
    return replace(question, timing=replace(question.timing, silence=key))
