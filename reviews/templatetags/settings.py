"""What the settings' templates need beside the desk's tags."""

from datetime import datetime

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from audit.stamps import stamp
from reviews.display import inert

register = template.Library()


@register.simple_tag
def when(at: datetime | None, nothing: str = "never") -> SafeString | str:
    """Show an instant with its day, in the reader's zone, with UTC as its tooltip."""
    return stamp(at, nothing)


@register.simple_tag(takes_context=True)
def here(context: template.Context) -> SafeString | str:
    """Say where one is on a page that unfold draws, in the words of the menu."""
    path = context["request"].path
    menu = [item for each in context.get("sidebar_navigation") or [] for item in each["items"]]
    found = next((item for item in menu if path.startswith(str(item["link"]))), None)
    title = str(context.get("title") or "Countersign")
    if found is None or path == str(found["link"]):
        return title if found is None else str(found["title"])
    one = context.get("original") or context.get("object")
    # On the page of somebody's password Django says `add` too.
    fresh = context.get("add") and one is None
    word = "New" if fresh else inert.visible(getattr(one, "label", one or title))
    return format_html(
        '<a class="text-important" href="{}">{}</a><span class="material-symbols-outlined '
        'align-middle mx-2 text-base-500 dark:text-base-400" aria-hidden="true">chevron_right'
        "</span>{}",
        found["link"],
        found["title"],
        word,
    )
