"""Stub mode (`USE_STUBS`, only with `DEBUG`): what people would be asked passes after 5 seconds."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from reviews.flags import ALWAYS_ASKING

AFTER = timedelta(seconds=5)
SENTENCE = "Stub mode (USE_STUBS): no person decides, this passes by itself after 5 seconds."


def stubbed(slug: str) -> bool:
    """Tell whether what is asked at this checkpoint now is answered by the stub."""
    return bool(settings.USE_STUBS) and slug not in ALWAYS_ASKING


def passes_at(
    *, slug: str, system: Mapping[str, Any], opened_at: datetime | None
) -> datetime | None:
    """Return when the stub lets a question pass, or None when it has no say in it.

    Only what was opened in stub mode, and only while it is on: a database that moves on to people
    brings no pass along.
    """
    if opened_at is None or not system.get("stubs") or not stubbed(slug):
        return None
    return opened_at + AFTER
