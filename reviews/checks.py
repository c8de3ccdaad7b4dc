"""System checks of the review set-up."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Tags, register
from django.db import DatabaseError

from reviews.services.findings import findings


@register(Tags.database)
def questions_can_be_answered(
    databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Report questions in use that nobody can answer, or that silence would allow."""
    if not databases:
        return []
    try:
        found = findings()
    except DatabaseError:
        return []  # before the first migration there is nothing to look at
    return [
        checks.Warning(f"{one['checkpoint']}: {one['message']}", id="reviews.W001")
        for one in found
        if one["severity"] == "error"
    ]
