"""What the agent says of its own proposal: a claim, shown beside the facts."""

from dataclasses import dataclass
from typing import Any

from reviews.display.fields import is_number, pretty, scalar_text

_BARS = 8
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
        confidence=f"{confidence:.2f}" if is_number(confidence) else "",
        model=_line(ai.get("model")),
        reasoning=reasoning if isinstance(reasoning, str) else _line(reasoning),
        bars=_bars(ai.get("features")),
        options=_options(ai.get("options")),
    )


def _line(value: Any) -> str:
    if value is None:
        return ""
    return pretty(value) if isinstance(value, dict | list) else scalar_text(value)


def _bars(features: Any) -> tuple[Bar, ...]:
    rows = [row for row in features if isinstance(row, dict)] if isinstance(features, list) else []
    weighed = [row for row in rows if is_number(row.get("importance"))]
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
            if is_number(option.get("confidence"))
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
