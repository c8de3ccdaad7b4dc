"""What the forms of a ticket's page send, read and checked."""

from django.http import HttpRequest

from approvals.answers import check_plain
from approvals.errors import Invalid, VersionRequired

LONGEST_REMARK = 4000


def version_of(request: HttpRequest) -> int:
    """Return the version the page was made for.

    :raises VersionRequired: where the page did not say.
    """
    text = request.POST.get("version", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise VersionRequired
    return int(text)


def reason_of(request: HttpRequest) -> str:
    """Return the reason somebody wrote beside a button.

    :raises Refusal: SchemaMismatch for what cannot be stored.
    """
    reason = request.POST.get("reason", "").replace("\r\n", "\n")
    check_plain(reason, at="/reason")
    return reason


def remark_of(request: HttpRequest) -> str:
    """Return the remark somebody wrote.

    :raises Refusal: Invalid for nothing or too much, SchemaMismatch for what cannot be stored.
    """
    text = request.POST.get("text", "").replace("\r\n", "\n").strip()
    if not 0 < len(text) <= LONGEST_REMARK:
        raise Invalid(f"A remark has 1 to {LONGEST_REMARK} characters.")
    check_plain(text, at="/text")
    return text
