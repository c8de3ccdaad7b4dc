"""Times in the zone of the person who reads the page."""

from collections.abc import Awaitable, Callable
from datetime import tzinfo

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from approvals.models import User
from reviews.display.moments import zone_of


class ReaderZone:
    """Write every time of the desk and its settings in the reader's zone.

    Elsewhere the session is not even looked at: programs read UTC.
    """

    sync_capable = async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if not request.path.startswith("/admin/"):
            return self.get_response(request)
        if self.is_async:
            return self._later(request)
        with timezone.override(_zone_of_reader(request)):
            response = self.get_response(request)
        assert isinstance(response, HttpResponseBase)
        return response

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        # The user is read from the session, which is a query.
        zone = await sync_to_async(_zone_of_reader)(request)
        with timezone.override(zone):
            response = self.get_response(request)
            assert not isinstance(response, HttpResponseBase)
            return await response


def _zone_of_reader(request: HttpRequest) -> tzinfo | None:
    user = request.user
    return zone_of(user.time_zone) if isinstance(user, User) else None
