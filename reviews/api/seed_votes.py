"""Answers in the words of earlier designs, said as votes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

from rest_framework.exceptions import ParseError

from approvals.api.bodies import StrictJsonParser
from approvals.errors import Invalid, Refusal
from approvals.options import ALLOWING, EDIT_PROPOSAL, Option
from approvals.question import Question
from reviews.forms.ui_fields import AMENDMENTS, DECISION, REASONS

Json = dict[str, Any]

# What is answered without naming a decision.
_SUBMIT = "submit"
# A refinement's box says by its tick which option is meant.
_GO_ON = "continue_refining"
_TICKED = {True: "continue", False: "done"}


def vote_of(question: Question, user_input: Mapping[str, Any]) -> Json:
    """Return what somebody filled in as a vote: choice, reason, response and amendments.

    Words beside a form are the reason. They stand in the response as well where one vote
    settles, so that a pipeline resumes with them; where several people must give the same
    answer, they would keep equal answers from being equal.

    :raises Invalid: for a decision that is no text, or changed fields that cannot be read.
    """
    response = dict(user_input)
    option = _chosen(question, response)
    form = option.form if option is not None else None
    known = form.get("properties") if isinstance(form, Mapping) else None
    known = known if isinstance(known, Mapping) else {}
    choice = option.key if option is not None else response.pop(DECISION, _SUBMIT)
    if not isinstance(choice, str):
        raise Invalid.at(f"/user_input/{DECISION}", "Send the key of one of the options.")
    amendments = response.pop(AMENDMENTS, None) if form == EDIT_PROPOSAL else None
    words = [name for name in REASONS if name not in known and isinstance(response.get(name), str)]
    said = (response[name].strip() for name in words)
    alone = sum(int(need.count) for stage in question.stages for need in stage.needs) == 1
    kept = {
        name: _typed(value, known.get(name))
        for name, value in response.items()
        if alone or name not in words
    }
    return {
        "choice": choice,
        "reason": next(filter(None, said), ""),
        "response": kept or None,
        "amendments": _amendments(amendments),
    }


def _chosen(question: Question, response: Json) -> Option | None:
    """Return the option somebody chose, taking its key out of the response.

    A form may ask for a `decision` of its own; that one is part of what is submitted. Where there
    is only one option, nobody needs to name it.
    """
    options = {option.key: option for option in question.options}
    decision = response.get(DECISION)
    if isinstance(decision, str) and decision in options:
        response.pop(DECISION)
        return options[decision]
    ticked = response.get(_GO_ON)
    if decision is None and isinstance(ticked, bool) and _TICKED[ticked] in options:
        return options[_TICKED[ticked]]
    usual = options.get(_SUBMIT) or (question.options[0] if len(options) == 1 else None)
    form = usual.form if usual is not None else None
    asks = isinstance(form, Mapping) and DECISION in form.get("properties", {})
    return usual if decision is None or asks else None


def _typed(value: Any, part: Any) -> Any:
    """Return what was typed into a field of a list as that list: one line per item."""
    if isinstance(value, str) and isinstance(part, Mapping) and part.get("type") == "array":
        return [line.strip() for line in value.splitlines() if line.strip()]
    return value


def _amendments(value: Any) -> Any:
    """Return changed fields, which a form without nesting sends as JSON in a text."""
    if not isinstance(value, str):
        return value
    try:
        return StrictJsonParser().parse(BytesIO(value.encode()))
    except ParseError as problem:
        message = str(problem.detail)
    except Invalid as problem:
        message = problem.errors[0]["message"]
    pointer = f"/user_input/{AMENDMENTS}"
    raise Invalid.at(pointer, message)


def _edits(option: Option) -> bool:
    return option.form == EDIT_PROPOSAL


# What each word means here: the option of this usual key, else the only one of its sort.
MEANT: dict[str, tuple[str, Callable[[Option], bool]]] = {
    "approve": ("approve", lambda option: option.effect in ALLOWING and not _edits(option)),
    "veto": ("reject", lambda option: option.effect == "deny"),
    "adjust": ("modify", _edits),
}


def option_meant(question: Question, word: str) -> str:
    """Return the key of the option a decision's word means for this question.

    :raises Invalid: where there is none, or more than one.
    """
    usual, fits = MEANT[word]
    found = [option.key for option in question.options if fits(option)]
    if usual in found:
        return usual
    if len(found) == 1:
        return found[0]
    keys = ", ".join(option.key for option in question.options)
    message = f"This is answered with one of: {keys}. Use /hitl/respond or /api/v1 for it."
    raise Invalid.at("/decision", message)


@contextmanager
def told_as(members: Mapping[str, str]) -> Iterator[None]:
    """Name in a refusal the members the caller sent, not those they stand for."""
    try:
        yield
    except Refusal as refusal:
        for error in refusal.errors:
            pointer = error.get("pointer", "")
            for ours, theirs in members.items():
                if pointer == ours or pointer.startswith(f"{ours}/"):
                    error["pointer"] = theirs + pointer.removeprefix(ours)
                    break
        raise
