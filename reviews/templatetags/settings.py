"""What the settings' templates need beside the desk's tags."""

from datetime import datetime

from django import template
from django.utils.safestring import SafeString

from audit.stamps import stamp

register = template.Library()


@register.simple_tag
def when(at: datetime | None, nothing: str = "never") -> SafeString | str:
    """Show an instant with its day, in the reader's zone, with UTC as its tooltip."""
    return stamp(at, nothing)
