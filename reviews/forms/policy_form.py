"""The question a draft describes, and what of it cannot be read."""

import json
import re
from collections.abc import Mapping
from typing import Any

from approvals.spoken import read_length
from reviews.forms.policy_draft import LENGTHS, Draft


def question_from(draft: Draft) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the question a draft describes, and what cannot be read: {input name: sentence}.

    Rows nobody filled in are left out.
    """
    problems: dict[str, str] = {}

    def length(name: str, typed: str) -> str | None:
        try:
            return read_length(typed)
        except ValueError as problem:
            problems[name] = str(problem)
            return None

    stages = []
    for place, step in enumerate(draft["s"]):
        at = f"s{place}"
        needs = [
            _need(need, f"{at}-n{n}", problems)
            for n, need in enumerate(step["n"])
            if need["role"] or need["people"]
        ]
        ladder = [
            {"above": _amount(rung["above"], f"{at}-l{n}-above", problems), "role": rung["role"]}
            for n, rung in enumerate(step["l"])
            if rung["role"] or rung["above"]
        ]
        stages.append(
            {
                "name": step["name"] or f"Step {place + 1}",
                "needs": needs,
                "rejections": _count(step["rejections"], f"{at}-rejections", problems),
                "ladder": ladder,
            }
        )
    timing: dict[str, Any] = {name: length(name, draft[name]) for name in LENGTHS}
    timing["hold"] = timing["hold"] or "PT0S"
    timing["revocable"] = timing["revocable"] or "PT0S"
    timing |= {
        "ask": draft["ask"] or "before",
        "silence": draft["silence"] or None,
        "escalate": [
            {"after": length(f"e{n}-after", row["after"]) or "PT0S", "role": row["role"]}
            for n, row in enumerate(draft["e"])
            if row["role"] or row["after"]
        ],
    }
    steps = [word for word in re.split(r"[,\s]+", draft["steps"]) if word]
    question = {
        "options": [
            _option(row, f"o{place}", problems)
            for place, row in enumerate(draft["o"])
            if row["label"] or row["key"]
        ],
        "options_from": draft["offered"] or None,
        "stages": stages,
        "timing": timing,
        "repeat": {
            "rounds": _whole(draft["rounds"] or "1", "rounds", problems),
            "steps": [_whole(word, "steps", problems) for word in steps],
        },
    }
    return question, problems


def _need(row: Mapping[str, str], at: str, problems: dict[str, str]) -> dict[str, Any]:
    people = [name.strip() for name in row["people"].split(",") if name.strip()]
    return {
        "role": row["role"],
        "count": _count(row["count"], f"{at}-count", problems),
        "people": [int(name) if name.isascii() and name.isdigit() else name for name in people],
    }


def _option(row: Mapping[str, str], at: str, problems: dict[str, str]) -> dict[str, Any]:
    label = row["label"] or row["key"]
    key = row["key"] or re.sub(r"[^a-z0-9]+", "_", label.casefold()).strip("_")
    form: Any = row["form"] or None
    if form == "own":
        form = _json(row["own"], f"{at}-own", problems)
    return {
        "key": key,
        "label": label,
        "effect": row["effect"],
        "reason": "required" if row["reason"] else "optional",
        "form": form,
        "carries": _json(row["carries"], f"{at}-carries", problems),
    }


def _json(typed: str, name: str, problems: dict[str, str]) -> Any:
    if not typed:
        return {}
    try:
        found = json.loads(typed)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        problems[name] = "Write a JSON object."
        return {}
    return found


def _count(typed: str, name: str, problems: dict[str, str]) -> int | str:
    word = typed.casefold()
    if word in ("all", "majority"):
        return word
    return _whole(typed or "1", name, problems)


def _whole(typed: str, name: str, problems: dict[str, str]) -> int:
    if typed.isascii() and typed.isdigit() and len(typed) < 10:
        return int(typed)
    problems[name] = "Write a whole number."
    return 1


def _amount(typed: str, name: str, problems: dict[str, str]) -> int | float:
    plain = typed.replace(" ", "").replace("\u202f", "").replace(",", "")
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,4})?", plain):
        return float(plain) if "." in plain else int(plain)
    problems[name] = "Write an amount, for example 5000."
    return 0
