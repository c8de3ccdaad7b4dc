"""What is switched off, for the banners of the desk: it is never let pass silently."""

from dataclasses import dataclass

from reviews.flags import EVERYWHERE, any_off, sentence, switched_off_by
from reviews.models import Checkpoint


@dataclass(frozen=True, slots=True)
class Off:
    """One checkpoint, or all of them, at which everything passes."""

    title: str
    sentence: str


def switched_off() -> list[Off]:
    """Return the active checkpoints at which everything passes; no query while nothing is off."""
    if not any_off():
        return []
    standing = Checkpoint.objects.filter(active=True).values_list("title", "slug")
    found = [(title, switched_off_by(slug)) for title, slug in standing]
    if any(variable == EVERYWHERE for _, variable in found):
        return [Off("All checkpoints", sentence(EVERYWHERE))]
    return [Off(title, sentence(variable)) for title, variable in found if variable]
