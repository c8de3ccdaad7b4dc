"""How untrusted text stands in a mail: escaped or plain, on one line, with nothing to click."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.safestring import SafeString

from reviews.display import brief, inert, moments

register = template.Library()


@register.filter
def shown(text: object) -> SafeString:
    """Show untrusted text in the HTML part."""
    return inert.visible(brief.unclickable(text))


@register.filter
def line(text: object) -> str:
    """Write untrusted text into the text part: on one line, so that it cannot pose as another."""
    return inert.plain(brief.unclickable(brief.one_line(text, 600)[0]))


@register.filter
def plainly(text: object) -> str:
    """Write a piece of a sentence into the text part; its spaces stay, its line breaks do not."""
    pieces = str(text).replace("\r", " ").replace("\n", " ")
    return inert.plain(brief.unclickable(pieces))


@register.filter
def bare(text: object) -> str:
    """Write untrusted text into a subject: on one line and short."""
    return inert.plain(brief.unclickable(brief.one_line(text, 120)[0]))


@register.simple_tag(takes_context=True)
def at(context: template.Context, moment: datetime) -> str:
    """Write an instant in the reader's zone: the time alone today, else with its day."""
    return moments.clock(timezone.localtime(moment), now=context["now"])
