"""More rules on the checkpoint's page: an empty one, a ready one, or a set of bands; not saved."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.http import QueryDict

from approvals.errors import Refusal
from approvals.models import User
from reviews.models import Checkpoint, Rule
from reviews.ready.rules import BANDS
from reviews.services.ready_rules import (
    band_rules,
    before_what_passes,
    policies_of_bands,
    template_rule,
)

_PUBLISHES = "approvals.add_approvalpolicy"


def draw_rules(sent: QueryDict, checkpoint: Checkpoint, *, by: User, now: datetime) -> str:
    """Put the rows that were pressed for into what the page sent; return what was wrong, if so."""
    pressed, _, name = str(sent.get("go", "")).partition(":")
    count = _digits(sent.get("rules-TOTAL_FORMS"))
    order = sorted(
        range(count), key=lambda row: (_digits(sent.get(f"rules-{row}-ORDER"), 999), row)
    )
    try:
        if pressed == "template":
            rules = [template_rule(name)]
            place = before_what_passes([sent.get(f"rules-{row}-then", "") for row in order])
        elif pressed == "bands":
            rules = _bands(sent, checkpoint, by=by, now=now, count=count)
            place = _place_of_bands(sent, order)
        else:
            rules, place = [], count
            sent["rules-TOTAL_FORMS"] = str(count + 1)
    except Refusal as refusal:
        return refusal.detail
    for number, rule in enumerate(rules, start=count):
        _fill(sent, number, rule)
    if rules:
        new = list(range(count, count + len(rules)))
        for position, row in enumerate([*order[:place], *new, *order[place:]], start=1):
            sent[f"rules-{row}-ORDER"] = str(position)
        sent["rules-TOTAL_FORMS"] = str(count + len(rules))
    return ""


def band_fields(sent: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Return the fields of the bands: name, label, and what was typed or is usual."""
    return [
        (f"bands-{band.band}", band.name, str(sent.get(f"bands-{band.band}", f"{band.least:.2f}")))
        for band in BANDS
        if band.least is not None
    ]


def _bands(
    sent: QueryDict, checkpoint: Checkpoint, *, by: User, now: datetime, count: int
) -> list[Rule]:
    least = {
        band.band: _number(sent.get(f"bands-{band.band}", ""))
        for band in BANDS
        if band.least is not None
    }
    prediction = " ".join(str(sent.get("bands-class", ""))[:80].split())
    standing = [sent.get(f"rules-{row}-name", "") for row in range(count)]
    # Read once without them, so that nothing is published for what is refused.
    band_rules(prediction=prediction, least=least, policies={}, among=standing)
    publishes = by.has_perm(_PUBLISHES)
    policies = policies_of_bands(checkpoint=checkpoint, by=by, now=now) if publishes else {}
    return band_rules(prediction=prediction, least=least, policies=policies, among=standing)


def _place_of_bands(sent: QueryDict, order: list[int]) -> int:
    """Return the place of new bands: before those of any class, which catch all, else last."""
    if not str(sent.get("bands-class", "")).strip():
        return len(order)
    for place, row in enumerate(order):
        of_a_class = "ai.prediction" in sent.get(f"rules-{row}-when", "")
        if sent.get(f"rules-{row}-band") and not of_a_class:
            return place
    return len(order)


def _fill(sent: QueryDict, number: int, rule: Rule) -> None:
    values = {
        "name": rule.name,
        "when": rule.when,
        "then": rule.then,
        "state": rule.state,
        "question": str(rule.question_id or ""),
        "priority": rule.priority,
        "risk": rule.risk,
        "band": rule.band,
        "legal_basis": rule.legal_basis,
        "audit_sample": f"{rule.audit_sample:g}",
    }
    for name, value in values.items():
        sent[f"rules-{number}-{name}"] = value


def _digits(text: Any, usual: int = 0) -> int:
    word = str(text or "")
    return int(word) if word.isascii() and word.isdigit() and len(word) < 4 else usual


def _number(text: str) -> float:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return float("nan")
