"""The desk's own pages: strict policy, our navigation, times in the reader's zone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from approvals.models import User
from reviews.admin.navigation import entries
from reviews.display.moments import zone_of


@contextmanager
def in_zone_of(user: User) -> Iterator[None]:
    """Write times in the zone this person lives in."""
    with timezone.override(zone_of(user.time_zone)):
        yield


def desk_page(
    request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """Answer with one of the desk's own pages, which need no inline script or style.

    The page is rendered at once, while the reader's time zone is set. It shows what only this
    reader may see, so nothing on the way keeps it.
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
