"""What the settings' templates need beside the desk's tags."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from reviews.display import moments

register = template.Library()


@register.simple_tag
def when(at: datetime | None, nothing: str = "never") -> SafeString | str:
    """Show an instant with its day, in the reader's zone, with UTC as its tooltip."""
    if at is None:
        return nothing
    return format_html(
        '<time class="num" datetime="{}" title="{}">{}</time>',
        at.isoformat(),
        moments.utc(at),
        f"{timezone.localtime(at):%Y-%m-%d %H:%M}",
    )
