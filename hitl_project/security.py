"""The content security policy of each page."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

OURS = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
# Unfold's pages run Alpine, which evaluates the expressions in its attributes and sets widths as
# style attributes; htmx adds one style element, named here by its hash. Scripts stay files.
UNFOLD = (
    OURS.replace("script-src 'self'", "script-src 'self' 'unsafe-eval'").replace(
        "style-src 'self'", "style-src 'self' 'sha256-bsV5JivYxvGywDAZ22EZJKBFip65Ng9xoJVLbBg7bdo='"
    )
    + "; style-src-attr 'unsafe-inline'"
)
# Swagger UI sets style attributes too; the hash is of drf-spectacular's one style element.
DOCS = (
    OURS.replace(
        "style-src 'self'", "style-src 'self' 'sha256-MMpT0iDxyjALd9PdfepImGX3DBfJPXZ4IlDWdPAgtn0='"
    )
    + "; style-src-attr 'unsafe-inline'"
)


class ContentSecurityPolicy:
    """Give each page its policy: a view's own when it set the header, else by where it stands.

    Pages of the desk that need no Alpine set `OURS` themselves (`request.strict_policy = True`).
    """

    async_capable = sync_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        response = self.get_response(request)
        if isinstance(response, HttpResponseBase):
            return self._add(request, response)
        return self._add_later(request, response)

    async def _add_later(
        self, request: HttpRequest, response: Awaitable[HttpResponseBase]
    ) -> HttpResponseBase:
        return self._add(request, await response)

    @staticmethod
    def _add(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        policy = OURS
        if not getattr(request, "strict_policy", False):
            if request.path.startswith("/admin/"):
                policy = UNFOLD
            elif request.path == "/api/v1/docs":
                policy = DOCS
        response.headers.setdefault("Content-Security-Policy", policy)
        return response
