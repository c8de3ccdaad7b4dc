"""Pages of a list: a cursor names the last row seen, so a page costs the same at any depth."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zlib import crc32

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.errors import Invalid

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module by the settings

USUAL, MOST = 50, 200
_LONGEST = 400


class CursorPage(BasePagination):
    """Answer `{data, next_cursor}`, ordered by one unique column (a view's `ordering`).

    The default is `-id`: ids grow with time, so that is newest first.
    """

    def paginate_queryset(
        self, queryset: Any, request: Request, view: "APIView | None" = None
    ) -> list[Any]:
        """Return the rows of the page that the request's `cursor` and `limit` name.

        :raises Invalid: for a cursor this list never gave out, or a limit out of range.
        """
        ordering: str = getattr(view, "ordering", "-id")
        name = ordering.removeprefix("-")
        limit = page_limit(request)
        cursor = request.query_params.get("cursor")
        if cursor is not None:
            after = _value(queryset, name, _of_this_list(read_cursor(cursor), request))
            lookup = f"{name}__lt" if ordering.startswith("-") else f"{name}__gt"
            queryset = queryset.filter(**{lookup: after})
        rows = list(queryset.order_by(ordering)[: limit + 1])
        self.next_cursor = None
        if len(rows) > limit:
            rows = rows[:limit]
            self.next_cursor = write_cursor(f"{_list(request)}:{getattr(rows[-1], name)}")
        return rows

    def get_paginated_response(self, data: Sequence[Any]) -> Response:
        """Return the page."""
        return Response({"data": data, "next_cursor": self.next_cursor})


def _list(request: Request) -> str:
    """Return a short name of the list a request asks for."""
    return f"{crc32(request.path.encode()):08x}"


def _of_this_list(text: str, request: Request) -> str:
    """Return the place a cursor stands for, which another list would take for one of its own.

    :raises Invalid: for a cursor another list gave out.
    """
    name, _, place = text.partition(":")
    if name != _list(request):
        raise unknown_cursor()
    return place


def page_limit(request: Request) -> int:
    """Return how many rows a request asks for.

    :raises Invalid: when that is not a number from 1 to 200.
    """
    given = request.query_params.get("limit", str(USUAL))
    if given.isascii() and given.isdigit() and len(given) <= 4 and 1 <= int(given) <= MOST:
        return int(given)
    message = f"Ask for 1 to {MOST} at a time."
    raise Invalid(errors=[{"parameter": "limit", "message": message}])


def write_cursor(text: str) -> str:
    """Return an opaque cursor."""
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Return what a cursor stands for.

    :raises Invalid: for one that was never given out.
    """
    try:
        if len(cursor) <= _LONGEST:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            text = urlsafe_b64decode(padded).decode("ascii")
            if text.isprintable():
                return text
    except ValueError:
        pass
    raise unknown_cursor()


def unknown_cursor() -> Invalid:
    """Return the refusal of a cursor that was never given out."""
    message = "This is not a cursor of this list; begin without one."
    return Invalid(errors=[{"parameter": "cursor", "message": message}])


def _value(queryset: QuerySet[Any], name: str, text: str) -> Any:
    try:
        value = queryset.model._meta.get_field(name).to_python(text)  # noqa: SLF001
        if isinstance(value, int) and abs(value) >= 2**63:
            raise unknown_cursor()
    except (ValidationError, ValueError):
        raise unknown_cursor() from None
    return value
