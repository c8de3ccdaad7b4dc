"""Starting values for every kind of interaction: dicts, copied into a checkpoint, read once.

Each differs from ``approval`` by what is written here and by nothing else; no code knows their
names. Where no option refuses, silence is None: the ticket ends ``expired`` without an outcome,
because an answer, a pick or a refined text that nobody gave cannot be made up.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

from approvals.options import EDIT_PROPOSAL
from approvals.question import OFFERED_BY_AI, Question, parse_question

Json = dict[str, Any]


def _option(key: str, effect: str, **more: Any) -> Json:
    label = key.replace("_", " ").capitalize()
    given = {"key": key, "label": label, "effect": effect, "reason": "optional", "form": None}
    return {**given, "carries": {}, **more}


def _form(*required: str, **fields: Json) -> Json:
    return {"type": "object", "properties": fields, "required": list(required)}


def _text(title: str) -> Json:
    return {"type": "string", "title": title, "format": "textarea"}


def _needed_text(title: str) -> Json:
    return {**_text(title), "minLength": 1}


_REVIEWER: Json = {"role": "reviewer", "count": 1, "people": []}
_STAGE: Json = {"name": "Review", "needs": [_REVIEWER], "rejections": 1, "ladder": []}
_TIMING: Json = {
    "ask": "before",
    "due": None,
    "escalate": [],
    "expires": None,
    "silence": "reject",
    "hold": "PT0S",
    "revocable": "PT5M",
}
_REPEAT: Json = {"rounds": 1, "steps": []}
_UNANSWERED: Json = {**_TIMING, "silence": None}

_APPROVE = _option("approve", "allow")
_REJECT = _option("reject", "deny", reason="required")
_MODIFY = _option(
    "modify", "allow", label="Approve with changes", reason="required", form=EDIT_PROPOSAL
)
_REQUEST_CHANGES = _option(
    "request_changes",
    "return",
    reason="required",
    # `x-reason` names the field that is the reason, so that people write it once.
    form={
        **_form(
            "feedback",
            feedback=_needed_text("What must change"),
            suggested_changes=_text("Suggested changes"),
        ),
        "x-reason": "feedback",
    },
)
_REFINED = _form(
    "refined_result",
    # `x-from` names the field of the proposal that the text begins with.
    refined_result={**_needed_text("Result"), "x-from": "current_result"},
    refinement_notes=_text("What you changed"),
)
_MANUAL = _form(
    "manual_result",
    manual_result=_needed_text("Result found by hand"),
    confidence={
        "type": "number",
        "title": "How sure you are (0 to 1)",
        "minimum": 0,
        "maximum": 1,
        "default": 0.9,
    },
)
_URGENT = _form(
    urgency_acknowledged={
        "type": "boolean",
        "title": "I know that this ends soon by itself",
        "default": False,
    }
)

_BASE: Json = {
    "options": [_APPROVE, _REJECT],
    "options_from": None,
    "stages": [_STAGE],
    "timing": _TIMING,
    "repeat": _REPEAT,
}


def _preset(**differing: Any) -> Json:
    return deepcopy({**_BASE, **differing})


PRESETS: dict[str, Json] = {
    "approval": _preset(),
    "review": _preset(options=[_APPROVE, _REJECT, _REQUEST_CHANGES, _MODIFY]),
    "input": _preset(options=[_option("submit", "answer")], timing=_UNANSWERED),
    "options": _preset(options=[], options_from=OFFERED_BY_AI, timing=_UNANSWERED),
    "vote": _preset(
        options=[_APPROVE, _REJECT, _option("abstain", "none")],
        stages=[
            {**_STAGE, "needs": [{**_REVIEWER, "count": "majority"}], "rejections": "majority"}
        ],
    ),
    "acknowledgement": _preset(
        options=[
            _option(
                "acknowledge",
                "answer",
                carries={"acknowledged": True},
                form=_form(note=_text("Note")),
            )
        ],
        timing=_UNANSWERED,
    ),
    "fallback": _preset(
        options=[
            _option("submit", "answer", form=_MANUAL),
            _option("cannot", "deny", label="Cannot be done", reason="required"),
        ],
        timing={**_TIMING, "silence": "cannot"},
    ),
    "refinement": _preset(
        options=[
            _option("done", "answer", form=_REFINED),
            _option("continue", "return", form=_REFINED),
        ],
        timing=_UNANSWERED,
        repeat={**_REPEAT, "rounds": 3},
    ),
    "time-boxed": _preset(
        options=[
            _option("proceed", "answer", form=_URGENT),
            _option("abort", "deny", reason="required", form=_URGENT),
            _MODIFY,
        ],
        timing={**_TIMING, "expires": "PT5M", "silence": "abort"},
    ),
    "post-approval": _preset(
        options=[
            _option("keep", "allow"),
            _option(
                "override",
                "deny",
                reason="required",
                form=_form("new_decision", new_decision=_needed_text("New decision")),
            ),
        ],
        timing={**_TIMING, "ask": "after", "expires": "PT24H", "silence": "keep"},
    ),
    "stepwise": _preset(repeat={**_REPEAT, "steps": [10, 50, 100]}),
}


# Whoever needs one of them asks by what it is for; their names stand here and nowhere else.
PLAIN = "approval"
OWN_OPTIONS = "vote"
AFTERWARDS = "post-approval"
# Answered with the caller's own form; the others bring theirs.
OWN_FORM = frozenset({"input"})
# `ui_schema.type` of an earlier design → its preset.
OF_UI_TYPE = {
    "review": "review",
    "approval": "approval",
    "input": "input",
    "manual_processing": "fallback",
    "iterative_refinement": "refinement",
    "urgent_decision": "time-boxed",
}


def apply_preset(name: str, *, onto: Question) -> Question:
    """Return ``onto`` asked in the way of a preset; who is asked stays as it was.

    Options, when they are asked, what silence means and repetition come from the preset. Counts,
    rejections and the other timings only where the preset differs from ``approval``, so that a
    hold or an escalation of a checkpoint is not lost by naming a preset.

    :raises KeyError: when there is no such preset.
    """
    preset, base = _parsed(name), _parsed(PLAIN)
    stage, plain = preset.stages[0], base.stages[0]
    counted = stage.needs[0].count != plain.needs[0].count
    stages = tuple(
        replace(
            own,
            needs=tuple(
                replace(need, count=stage.needs[0].count) if counted else need for need in own.needs
            ),
            rejections=own.rejections if stage.rejections == plain.rejections else stage.rejections,
        )
        for own in onto.stages
    )
    timing = {
        key: getattr(preset.timing, key)
        for key in ("due", "escalate", "expires", "hold", "revocable")
        if getattr(preset.timing, key) != getattr(base.timing, key)
    }
    return replace(
        onto,
        options=preset.options,
        options_from=preset.options_from,
        stages=stages,
        timing=replace(onto.timing, ask=preset.timing.ask, silence=preset.timing.silence, **timing),
        repeat=preset.repeat,
    )


@cache
def _parsed(name: str) -> Question:
    return parse_question(PRESETS[name])
