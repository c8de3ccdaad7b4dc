"""A sample to try a checkpoint with: made up from its schema, and read from the form."""

import json
from decimal import Decimal, InvalidOperation
from typing import Any

from reviews.models import Checkpoint, Region
from reviews.services.requests import TicketRequest
from reviews.sla import PRIORITIES


def request_of_form(
    checkpoint: Checkpoint, sent: dict[str, str]
) -> tuple[TicketRequest, dict[str, str]]:
    """Return what a form asks to try, and what is wrong with it, by field."""
    errors: dict[str, str] = {}
    try:
        proposal = json.loads(sent["proposal"] or "{}")
    except (ValueError, RecursionError) as problem:
        proposal, errors["proposal"] = {}, f"This is not JSON: {problem}"
    if not isinstance(proposal, dict):
        proposal, errors["proposal"] = {}, "A proposal is a JSON object: { … }."
    amount = _number_typed(sent["amount"], "amount", errors)
    confidence = _number_typed(sent["confidence"], "confidence", errors)
    known = set(Region.objects.values_list("slug", flat=True))
    if sent["region"] and sent["region"] not in known:
        errors["region"] = "There is no such region."
    priority = sent["priority"] if sent["priority"] in PRIORITIES else "medium"
    ai = {} if confidence is None else {"confidence": float(confidence)}
    request = TicketRequest(
        checkpoint=checkpoint.slug,
        title="A sample",
        proposal=proposal,
        amount=amount,
        priority=priority,
        region=sent["region"],
        ai=ai,
    )
    return request, errors


def _number_typed(text: str, name: str, errors: dict[str, str]) -> Decimal | None:
    try:
        return read_number(text)
    except ValueError:
        errors[name] = "Write a number, for example 900.50."
        return None


def read_number(text: str) -> Decimal | None:
    """Return the number somebody typed, with spaces between its digits or none; None for nothing.

    :raises ValueError: for what is no number a ticket may state.
    """
    plain = text.replace(" ", "").replace("\u202f", "")
    if not plain:
        return None
    try:
        value = Decimal(plain)
    except InvalidOperation:
        raise ValueError(text) from None
    if not value.is_finite() or abs(value) >= 10**15:
        raise ValueError(text)
    return value


def made_up_sample(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return a proposal made up from the schema: a real one may not be this reader's to see."""
    try:
        made_up = _made_up(checkpoint.proposal_schema, 0) if checkpoint.proposal_schema else {}
    except (TypeError, ValueError, AttributeError, KeyError):
        return {}  # a schema may say things nobody foresaw; an empty sample is a beginning too
    return made_up if isinstance(made_up, dict) else {}


def _made_up(shape: Any, depth: int) -> Any:
    """Return a value of this schema where that is easy; the person who tries it mends the rest."""
    if not isinstance(shape, dict) or depth > 6:
        return {}
    if shape.get("enum"):
        return shape["enum"][0]
    kind = shape.get("type", "object")
    kind = kind[0] if isinstance(kind, list) and kind else kind
    if kind in ("number", "integer"):
        least, most = shape.get("minimum", 0), shape.get("maximum", 900)
        return max(least, min(most, 900))
    if kind == "array":
        count = min(int(shape.get("minItems", 0)), 10)
        return [_made_up(shape.get("items", {"type": "string"}), depth + 1)] * count
    if kind == "object":
        properties = shape.get("properties", {})
        return {name: _made_up(inner, depth + 1) for name, inner in properties.items()}
    return {"boolean": True, "null": None}.get(str(kind), "text")
