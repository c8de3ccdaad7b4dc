"""The desk's own pages: strict policy, our navigation; `reviews.zones` sets the reader's zone."""

from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from approvals.models import User
from reviews.admin.navigation import entries


class SeeOther(HttpResponseRedirect):
    """After a POST: look at a page, with GET."""

    status_code = 303


# Said of a button that no page of ours has.
UNKNOWN_ACT = "The page sent something this desk does not know."


def desk_page(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Answer with one of the desk's own pages, which need no inline script or style.

    It shows what only this reader may see, so nothing on the way keeps it.
    """
    request.strict_policy = True  # type: ignore[attr-defined]
    context = {"nav": entries(request), "person": request.user, **context}
    response = render(request, f"desk/{template}", context, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def person_of(request: HttpRequest) -> User:
    """Return the signed-in person; the admin lets nobody else in."""
    assert isinstance(request.user, User)
    return request.user
