"""Questions in the words people read and type: “2 of buyer”, “4 h”, “silence rejects”."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from approvals.durations import parse_duration, render_duration
from approvals.safeguards import parse_safeguards

_UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "min": 60, "s": 1}
_CALLED = {
    "w": "w",
    "week": "w",
    "weeks": "w",
    "d": "d",
    "day": "d",
    "days": "d",
    "h": "h",
    "hour": "h",
    "hours": "h",
    "hr": "h",
    "m": "min",
    "min": "min",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "s": "s",
    "sec": "s",
    "second": "s",
    "seconds": "s",
}
_PIECE = re.compile(r"(\d{1,9})\s*([a-z]+)")
_NOTHING = timedelta(0)
_ASKED = {"never": "never", "high_risk": "where the risk is high", "always": "always"}
EFFECTS = {
    "allow": "lets it go on",
    "deny": "stops it",
    "return": "sends it back for changes",
    "answer": "answers, and lets it go on",
    "none": "does not count",
}


def spoken_length(iso: str | None, *, nothing: str = "") -> str:
    """Return an ISO length of time as people write it (`1 d 4 h`); `nothing` for none at all."""
    if iso is None:
        return nothing
    left = parse_duration(iso)
    if left == _NOTHING:
        return nothing or "0 s"
    seconds = int(left.total_seconds())
    words = []
    for unit in ("d", "h", "min", "s"):
        count, seconds = divmod(seconds, _UNITS[unit])
        if count:
            words.append(f"{count} {unit}")
    return " ".join(words) or f"{left.total_seconds():g} s"


def read_length(text: str) -> str | None:
    """Return the ISO form of a length people typed: `4 h`, `1 day 2 hours`, `PT4H`; None for none.

    :raises ValueError: with a sentence, for anything else.
    """
    typed = text.strip()
    if not typed:
        return None
    if typed[0] in "Pp":
        return render_duration(parse_duration(typed.upper()))
    low = typed.casefold().replace(",", " ")
    pieces = _PIECE.findall(low)
    if typed == "0":
        return "PT0S"
    if not pieces or _PIECE.sub("", low).strip() or any(u not in _CALLED for _, u in pieces):
        raise ValueError("Write a length of time like 30 min, 4 h or 1 d 12 h.")
    seconds = sum(int(count) * _UNITS[_CALLED[unit]] for count, unit in pieces)
    if seconds > 3650 * 86400:
        raise ValueError("Stay within ten years.")
    return render_duration(timedelta(seconds=seconds))


def spoken_count(count: int | str, role: str) -> str:
    """Return how many of a role are needed."""
    if count == "all":
        return f"all of {role}"
    return f"more than half of {role}" if count == "majority" else f"{count} of {role}"


def spoken_needs(needs: Sequence[Mapping[str, Any]]) -> str:
    """Return who must agree in one step."""
    rows = []
    for need in needs:
        only = ", ".join(str(person) for person in need.get("people") or ())
        rows.append(spoken_count(need["count"], need["role"]) + (f" (only {only})" if only else ""))
    return " and ".join(rows)


def spoken_rung(rung: Mapping[str, Any]) -> str:
    """Return one row of a ladder."""
    return f"above {rung['above']:,} also 1 of {rung['role']}".replace(",", "\u202f")


def spoken_silence(question: Mapping[str, Any]) -> str:
    """Return what it means when nobody answers in time."""
    key = question["timing"]["silence"]
    if key is None:
        return "it ends without an answer; nothing is allowed"
    option = next((o for o in question["options"] if o["key"] == key), None)
    if option is None:
        return f"“{key}”"
    return f"“{option['label']}”: {EFFECTS[option['effect']]}"


def spoken_fields(question: Mapping[str, Any]) -> dict[str, str]:
    """Return a rendered question as labelled texts, in the order people read them."""
    fields: dict[str, str] = {}
    for place, stage in enumerate(question["stages"], start=1):
        step = f"Step {place}"
        fields[f"{step}: name"] = stage["name"]
        fields[f"{step}: who must agree"] = spoken_needs(stage["needs"])
        fields[f"{step}: rejections that end it"] = str(stage["rejections"])
        if stage["ladder"]:
            fields[f"{step}: by amount"] = "; ".join(spoken_rung(rung) for rung in stage["ladder"])
    for option in question["options"]:
        words = [f"“{option['label']}” {EFFECTS[option['effect']]}"]
        if option["reason"] == "required":
            words.append("needs a reason")
        if option["form"] == "edit-proposal":
            words.append("with changes to the proposal")
        elif option["form"]:
            words.append("with a form of " + ", ".join(option["form"].get("properties", {})))
        if option["carries"]:
            words.append("carries " + ", ".join(f"{k} = {v}" for k, v in option["carries"].items()))
        fields[f"Answer {option['key']}"] = ", ".join(words)
    if question["options_from"]:
        fields["Answers"] = "what the agent offers"
    timing = question["timing"]
    by_priority = "by priority"
    fields["People are asked"] = (
        "afterwards" if timing["ask"] == "after" else "before anything happens"
    )
    fields["Due after"] = spoken_length(timing["due"], nothing=by_priority)
    for place, later in enumerate(timing["escalate"], start=1):
        name = "Escalation" if len(timing["escalate"]) == 1 else f"Escalation {place}"
        fields[name] = f"after {spoken_length(later['after'])} also {later['role']}"
    fields["Ends after"] = spoken_length(timing["expires"], nothing=by_priority)
    fields["Silence means"] = spoken_silence(question)
    fields["Takes effect"] = _after(timing["hold"], "at once")
    fields["Can be revoked for"] = spoken_length(timing["revocable"], nothing="no time")
    repeat = question["repeat"]
    if repeat["rounds"] != 1:
        fields["Rounds at most"] = str(repeat["rounds"])
    if repeat["steps"]:
        fields["Rolled out in steps of"] = ", ".join(str(step) for step in repeat["steps"])
    return fields


def _after(iso: str, at_once: str) -> str:
    words = spoken_length(iso, nothing=at_once)
    return words if words == at_once else f"{words} after the decision"


def spoken_safeguards(safeguards: Mapping[str, Any]) -> dict[str, str]:
    """Return how votes are taken, as labelled texts."""
    found = parse_safeguards(safeguards)
    doors = found.channels
    return {
        "Answered through": "every door" if doors is None else ", ".join(doors),
        "Voters confirm who they are": _ASKED[found.confirm_identity],
        "Silence may allow": "yes" if found.silence_may_allow else "no",
    }
