"""Whether a person's answer said that the AI was right."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def ai_was_right(
    ai: Mapping[str, Any], *, choice: str, effect: str, keys: Collection[str], amended: bool
) -> bool | None:
    """Return whether the answer bears the AI out, or None where it cannot tell.

    Among options the AI ranked, its first is what it said. A prediction that is the key of an
    option is compared with the choice. Any other prediction stands behind the proposal: letting it
    pass as it is says right, refusing or changing it says wrong, and a free answer says nothing.

    :param keys: of all options of the question; `amended` where the proposal was changed.
    """
    ranked = [one.get("key") for one in _options(ai)]
    if choice in ranked:
        return choice == ranked[0]
    prediction = ai.get("prediction")
    if prediction is None:
        return None
    said = str(prediction).casefold()
    if said in {key.casefold() for key in keys}:
        return said == choice.casefold()
    if effect == "allow":
        return not amended
    return False if effect == "deny" else None


def confidence_of(ai: Mapping[str, Any]) -> float | None:
    """Return how sure the AI was (0 to 1), or None where it said nothing one can count."""
    value = ai.get("confidence")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        return None
    return float(value)


def model_of(ai: Mapping[str, Any]) -> str:
    """Return the name of the AI model, at most 120 characters; empty where it said none."""
    model = ai.get("model")
    return str(model)[:120] if isinstance(model, str | int | float) else ""


def _options(ai: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    options = ai.get("options")
    return [one for one in options if isinstance(one, Mapping)] if isinstance(options, list) else []
