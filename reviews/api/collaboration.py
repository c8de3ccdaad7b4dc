"""What a pipeline's `interaction` offers people, said as a preset and its options."""

from collections.abc import Mapping
from typing import Any

from approvals.presets import OWN_OPTIONS, PRESETS

Json = dict[str, Any]


def asked_of(interaction: Mapping[str, Any], *, preset: str) -> Json:
    """Return the `preset` and the part of a `question` that an interaction stands for.

    `voting_options` become the options, with what the preset must keep beside them: people can
    always say no. Whom an interaction asks, and how many of them, is read where the question is
    frozen (`reviews.interactions.shaped_by`).
    """
    wanted: Json = {}
    options = interaction.get("voting_options")
    if options or interaction.get("decision_type") == "majority":
        preset = preset or OWN_OPTIONS
    if preset == OWN_OPTIONS or options:
        wanted["preset"] = preset
    if options:
        wanted["question"] = {"options": _options(options, PRESETS[preset])}
    return wanted


def _options(given: list[str], question: Json) -> list[str]:
    """Return the options of a vote; a name the preset knows is the preset's, however spelt."""
    own = {option["key"].casefold(): option for option in question["options"]}
    wanted = [own[name.casefold()]["key"] if name.casefold() in own else name for name in given]
    kept = [key for key in (question["timing"]["silence"],) if key]
    denying = [option["key"] for option in question["options"] if option["effect"] == "deny"]
    if denying and not set(denying) & {*wanted, *kept}:
        kept.append(denying[0])
    return [*wanted, *(key for key in kept if key not in wanted)]
