"""How the interface describes itself: one line per operation, problems included."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, TypeVar

from django.conf import settings
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerFieldExtension,
)
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers

F = TypeVar("F", bound=Callable[..., Any])

PROBLEMS = "x-problems"
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "maxLength": 255, "pattern": "^[ -~]{1,255}$"},
    OpenApiParameter.HEADER,
    description="The same key with the same body is done once; kept 7 days.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description='The version you saw, as `"3"`. The body\'s `version` says the same.',
)
PAGE = [
    OpenApiParameter("cursor", str, description="`next_cursor` of the page before."),
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
]


def describe(
    operation: str,
    summary: str,
    *,
    answers: dict[int, Any] | None = None,
    lists: type[serializers.Serializer[Any]] | None = None,
    problems: Sequence[int] = (),
    tag: str,
    request: Any = None,
    parameters: Sequence[Any] = (),
    examples: Sequence[OpenApiExample] = (),
    description: str = "",
) -> Callable[[F], F]:
    """Describe one operation. `problems` are those beyond what every operation may answer.

    What `lists` answers a page of these; unless `parameters` say more, they name the page.
    The page refuses whatever parameter is not described (`query`).
    """
    if lists is not None:
        answers, parameters = {200: page_of(lists)}, parameters or PAGE
    described = extend_schema(
        operation_id=operation,
        summary=summary,
        description=description,
        request=request,
        responses=answers,
        parameters=list(parameters),
        examples=list(examples),
        tags=[tag],
        extensions={PROBLEMS: list(problems)},
    )

    def marked(operation: F) -> F:
        told: F = described(operation)
        told.query = [name for one in parameters for name in _query_names(one)]  # type: ignore[attr-defined]
        return told

    return marked


def _query_names(parameter: Any) -> list[str]:
    if isinstance(parameter, OpenApiParameter):
        return [parameter.name] if parameter.location == OpenApiParameter.QUERY else []
    return list(parameter().fields)


@cache
def page_of(serializer: type[serializers.BaseSerializer[Any]]) -> type[serializers.Serializer[Any]]:
    """Return the shape of one page of these."""
    name = serializer.__name__.removesuffix("Answer") + "PageAnswer"
    members = {
        "data": serializer(many=True),
        "next_cursor": serializers.CharField(allow_null=True),
        "__module__": __name__,
        "__doc__": "One page; `next_cursor` is null on the last.",
    }
    return type(name, (serializers.Serializer,), members)


def sent(name: str, value: Any) -> OpenApiExample:
    """Return an example of a request's body."""
    return OpenApiExample(name, value=value, request_only=True)


class TextScheme(OpenApiSerializerFieldExtension):
    """How the description tells of texts: one that may not be empty says so."""

    target_class = "approvals.api.fields.Text"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        """Return the field's schema."""
        told: dict[str, Any] = auto_schema._map_serializer_field(  # noqa: SLF001
            self.target, direction, bypass_extensions=True
        )
        # Whether it may be null is added to what an extension tells; twice would be invalid.
        told = {**told, "type": "string"}
        return told if self.target.allow_blank else {**told, "minLength": 1}


class AccessKeyScheme(OpenApiAuthenticationExtension):
    """How the interface's description names bearer keys."""

    target_class = "approvals.api.authentication.AccessKeyAuthentication"
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "A service key (a machine) or a personal token (a person): `hitl_…`.",
        }


class SessionScheme(OpenApiAuthenticationExtension):
    """How the interface's description names the desk's session."""

    target_class = "rest_framework.authentication.SessionAuthentication"
    name = "session"
    priority = 1

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:  # noqa: ARG002
        """Return the security scheme."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The desk's session. Calls that change something send `X-CSRFToken`.",
        }
