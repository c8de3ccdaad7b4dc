"""What the agent says of its own proposal: a claim, shown beside the facts, with its record."""

from dataclasses import dataclass
from typing import Any

from reviews.display.fields import pretty, scalar_text
from reviews.models import Ticket

_BARS = 8
_ALIKE = 0.05
_LOOKED_AT = 300
_ENOUGH = 20
BAR_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Bar:
    """One feature: `left` and `width` place its bar on a field of `BAR_WIDTH` units."""

    name: str
    value: str
    importance: str
    left: float
    width: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Everything the agent says; whatever has an unknown shape is left to the JSON."""

    prediction: str
    confidence: str
    model: str
    reasoning: str
    bars: tuple[Bar, ...]
    options: tuple[dict[str, Any], ...]


def claim_of(ai: Any) -> Claim | None:
    """Return what the agent says, or None where it says nothing."""
    if not isinstance(ai, dict) or not ai:
        return None
    prediction, reasoning = ai.get("prediction"), ai.get("reasoning")
    confidence = ai.get("confidence")
    return Claim(
        prediction=_line(prediction),
        confidence=f"{confidence:.2f}" if _number(confidence) else "",
        model=_line(ai.get("model")),
        reasoning=reasoning if isinstance(reasoning, str) else _line(reasoning),
        bars=_bars(ai.get("features")),
        options=_options(ai.get("options")),
    )


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _line(value: Any) -> str:
    if value is None:
        return ""
    return pretty(value) if isinstance(value, dict | list) else scalar_text(value)


def _bars(features: Any) -> tuple[Bar, ...]:
    rows = [row for row in features if isinstance(row, dict)] if isinstance(features, list) else []
    weighed = [row for row in rows if _number(row.get("importance"))]
    weighed.sort(key=lambda row: -abs(row["importance"]))
    weighed = weighed[:_BARS]
    most = max((abs(row["importance"]) for row in weighed), default=0) or 1
    signed = any(row["importance"] < 0 for row in weighed)
    whole = BAR_WIDTH / 2 if signed else BAR_WIDTH
    bars: list[Bar] = []
    for row in weighed:
        width = round(abs(row["importance"]) / most * whole, 1)
        left = (whole - width if row["importance"] < 0 else whole) if signed else 0
        text = f"{row['importance']:+.2f}" if signed else f"{row['importance']:.2f}"
        value = _line(row.get("value")) if "value" in row else ""
        bars.append(Bar(_line(row.get("name")), value, text.replace("-", "−"), left, width))
    return tuple(bars)


def _options(options: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(options, list):
        return ()
    return tuple(
        {
            "label": _line(option.get("label") or option.get("key")),
            "confidence": f"{option['confidence']:.2f}"
            if _number(option.get("confidence"))
            else "",
            "pros": _lines(option.get("pros")),
            "cons": _lines(option.get("cons")),
        }
        for option in options[:20]
        if isinstance(option, dict)
    )


def _lines(value: Any) -> list[str]:
    if value is None:
        return []
    return [_line(item) for item in value] if isinstance(value, list) else [_line(value)]


def record_of(ticket: Ticket) -> str:
    """Return how often people agreed at this confidence, in words; one bounded query."""
    confidence = ticket.ai.get("confidence") if isinstance(ticket.ai, dict) else None
    if not _number(confidence):
        return ""
    decided = (
        Ticket.objects.filter(
            checkpoint=ticket.checkpoint_id,
            status__in=[Ticket.Status.APPROVED, Ticket.Status.REJECTED, Ticket.Status.ANSWERED],
            decision__by="votes",
        )
        .order_by("-id")
        .values_list("ai", "decision__effect", "decision__amendments")[:_LOOKED_AT]
    )
    alike = [
        effect in ("allow", "answer") and amendments is None
        for ai, effect, amendments in decided
        if isinstance(ai, dict)
        and _number(ai.get("confidence"))
        and abs(ai["confidence"] - confidence) <= _ALIKE
    ]
    if len(alike) < _ENOUGH:
        return "too few decisions like this to compare"
    return f"people agreed in {sum(alike)} of {len(alike)} like this"
