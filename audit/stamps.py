"""Instants as the settings show them: with their day, in the reader's zone, UTC as the tooltip."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString


def stamp(at: datetime | None, nothing: str = "never") -> SafeString | str:
    """Return an instant as HTML, or a word for none."""
    if at is None:
        return nothing
    return format_html(
        '<time class="num" datetime="{}" title="{} UTC">{}</time>',
        at.isoformat(),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        f"{timezone.localtime(at):%Y-%m-%d %H:%M}",
    )


def stamped(field: str, description: str = "") -> Callable[[Any, Any], SafeString | str]:
    """Return a column of a list that shows one field as an instant."""

    @admin.display(description=description or field.replace("_", " "), ordering=field)
    def shown(_page: Any, row: Any) -> SafeString | str:
        return stamp(getattr(row, field))

    return shown
