"""How the interface refuses and describes itself, wherever an answer comes from."""

import logging
import re
from collections.abc import Iterator
from typing import Any

from django.core.exceptions import (
    DisallowedHost,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.db import DataError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.text import slugify
from django.views import defaults
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import exception_handler as django_rest_handler

from approvals.api.schema import PROBLEMS
from approvals.errors import Busy, Invalid, NotVisible, Refusal, TooMany

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
OURS = re.compile(r"/(?:api|hitl|hms-api|interface)(?:/|$)")
# PostgreSQL: lock not available, deadlock detected, statement took too long.
_BUSY = {"55P03", "40P01", "57014"}
_CODES = {
    400: ("malformed", "The request cannot be read."),
    401: ("unauthenticated", "Say who you are: send `Authorization: Bearer hitl_…`."),
    403: ("forbidden", "You may not do this."),
    404: (NotVisible.code, NotVisible.sentence),
    405: ("method-not-allowed", "This address does not take that method."),
    406: ("not-acceptable", "Answers here are JSON: send `Accept: application/json`, or none."),
    413: ("too-large", "The body is too large."),
    415: ("unsupported-media-type", "Send `Content-Type: application/json`."),
    422: (Invalid.code, Invalid.sentence),
    429: (TooMany.code, TooMany.sentence),
    500: ("internal", "Something went wrong on our side; nothing was changed."),
    503: ("unavailable", "The service cannot answer now; try again in a moment."),
}


def problem(
    request: HttpRequest | None,
    *,
    status: int,
    code: str = "",
    detail: str = "",
    errors: Any = (),
    title: str = "",
    **extra: Any,
) -> dict[str, Any]:
    """Return the body of an `application/problem+json` answer (RFC 9457)."""
    usual_code, usual_sentence = _CODES.get(status, _CODES[400])
    code = code or usual_code
    return {
        **extra,
        "type": f"urn:countersign:problem:{code}",
        "title": title or usual_sentence,
        "status": status,
        "detail": detail or title or usual_sentence,
        "code": code,
        "errors": list(errors),
        "request_id": getattr(request, "request_id", ""),
    }


def problem_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Return the answer to whatever a view raised; None for what is our own fault."""
    request = context.get("request")
    http: HttpRequest | None = getattr(request, "_request", None)
    refusal = _as_refusal(exc)
    headers: dict[str, str] = {}
    if refusal is not None:
        body = problem(
            http,
            status=refusal.status,
            code=refusal.code,
            title=refusal.sentence,
            detail=refusal.detail,
            errors=refusal.errors,
            **refusal.extra,
        )
        if isinstance(refusal, Busy) or refusal.code == "idempotency-in-flight":
            headers["Retry-After"] = "1"
        if "retry_after" in refusal.extra:
            headers["Retry-After"] = str(refusal.extra["retry_after"])
    else:
        answered = _as_answer(exc, context)
        if answered is None:
            return None
        status, detail, errors, headers = answered
        code = "csrf-failed" if detail.startswith("CSRF Failed") else ""
        body = problem(http, status=status, code=code, detail=detail, errors=errors)
    answer = Response(body, status=body["status"], headers=headers, content_type=MEDIA_TYPE)
    answer.exception = True
    return answer


def _as_refusal(exc: Exception) -> Refusal | None:
    """Return the refusal an exception is, or stands for."""
    if isinstance(exc, Refusal):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return Invalid(errors=list(pointed(exc.detail)))
    if isinstance(exc, OperationalError):
        state = getattr(exc.__cause__, "sqlstate", None)
        if state in _BUSY or "database is locked" in str(exc):
            return Busy()
    if isinstance(exc, DataError):
        # A value that the checks let through and the database cannot hold: the sender's, but ours
        # to name better.
        log.warning("a value reached the database that it cannot hold", exc_info=exc)
        return Invalid("A value is out of the range that can be stored.")
    return None


# Their own words name no way out.
_SAID_BETTER = (
    Http404,
    PermissionDenied,
    exceptions.NotFound,
    exceptions.NotAcceptable,
    exceptions.NotAuthenticated,
)


# A commit whose answer was lost may have happened.
_UNKNOWN = (
    "The database went away; whether this call was stored is not known. Send it again: a vote "
    "counts once, and so does whatever carries the same Idempotency-Key."
)
# PostgreSQL: connection lost, or the server is stopping or starting.
_AWAY = ("08", "57P01", "57P02", "57P03")


def _lost(exc: Exception) -> bool:
    """Tell whether the connection to PostgreSQL broke under a call."""
    if not isinstance(exc, OperationalError):
        return False
    state = getattr(exc.__cause__, "sqlstate", "")  # none: the driver noticed it by itself
    return state is None or state.startswith(_AWAY)


def _as_answer(
    exc: Exception, context: dict[str, Any]
) -> tuple[int, str, list[Any], dict[str, str]] | None:
    if isinstance(exc, RequestDataTooBig):
        return 413, "", [], {}
    if isinstance(exc, SuspiciousOperation):
        return 400, "", [], {}
    if isinstance(exc, OperationalError) and type(exc.__cause__).__name__ == "PoolTimeout":
        return 503, "", [], {"Retry-After": "1"}
    if _lost(exc):
        log.warning("the database went away during a call: %s", type(exc.__cause__).__name__)
        return 503, _UNKNOWN, [], {"Retry-After": "1"}
    answer = django_rest_handler(exc, context)
    if answer is None:
        return None
    headers = {name: str(value) for name, value in answer.headers.items() if name != "Content-Type"}
    if isinstance(exc, _SAID_BETTER):
        return answer.status_code, "", [], headers
    detail = getattr(exc, "detail", "")
    if isinstance(exc, exceptions.UnsupportedMediaType) and detail.startswith("Unsupported"):
        detail = ""
    return answer.status_code, detail if isinstance(detail, str) else "", [], headers


def pointed(detail: Any, at: str = "") -> Iterator[dict[str, str]]:
    """Yield one `{"pointer", "message"}` per error of a serializer."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            part = str(name).replace("~", "~0").replace("/", "~1")
            yield from pointed(inner, at if name == "non_field_errors" else f"{at}/{part[:64]}")
    elif isinstance(detail, list):
        for place, inner in enumerate(detail):
            if isinstance(inner, str):
                yield {"pointer": at, "message": str(inner)[:400]}
            else:
                yield from pointed(inner, f"{at}/{place}")
    else:
        yield {"pointer": at, "message": str(detail)[:400]}


# --- Answers of Django itself -------------------------------------------------------------------
def _plain(request: HttpRequest, status: int, detail: str = "") -> HttpResponse:
    body = problem(request, status=status, detail=detail)
    return JsonResponse(body, status=status, content_type=MEDIA_TYPE)


def _not_found(request: HttpRequest) -> HttpResponse:
    slash = "Addresses of the interface end without a slash." if request.path[-1] == "/" else ""
    return _plain(request, 404, slash)


@csrf_exempt  # what is nowhere cannot be forged, and its answer shall be a problem like all others
def nowhere(request: HttpRequest) -> HttpResponse:
    """Answer that there is nothing at an address of the interface."""
    return _not_found(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer a request Django could not read."""
    if not OURS.match(request.path):
        return defaults.bad_request(request, exception)
    if isinstance(exception, DisallowedHost):
        return _plain(request, 400, "This host is not served here; ALLOWED_HOSTS names those.")
    return _plain(request, 413 if isinstance(exception, RequestDataTooBig) else 400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what somebody may not do."""
    if OURS.match(request.path):
        return _plain(request, 403)
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer that there is nothing here."""
    if OURS.match(request.path):
        return _not_found(request)
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer a failure of ours."""
    return _plain(request, 500) if OURS.match(request.path) else defaults.server_error(request)


# --- The description ----------------------------------------------------------------------------
_ALWAYS = {401, 406, 422, 429}
_WITH_BODY = {400, 413, 415, 422}
_PROBLEM = {
    "type": "object",
    "description": "Why something was refused (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence that names the way out."},
        "code": {"type": "string", "description": "Stable; programs look at this."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body."},
                    "parameter": {"type": "string"},
                    "header": {"type": "string"},
                    "message": {"type": "string"},
                },
                "required": ["message"],
            },
        },
        "request_id": {"type": "string"},
    },
    "required": ["type", "title", "status", "detail", "code", "errors", "request_id"],
}


def finish_schema(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Return the description with the problems each operation may answer with."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM
    for name, schema in components["schemas"].items():
        if name.endswith("Request") and schema.get("type") == "object":
            schema["additionalProperties"] = False
    used: set[int] = set()
    for path, methods in result["paths"].items():
        for operation in methods.values():
            problems = {*operation.pop(PROBLEMS, ()), *_ALWAYS, 403}
            problems |= {400, 404} if "{" in path else {400}
            problems |= _WITH_BODY if operation.get("requestBody") else set()
            used |= problems
            for status in sorted(problems):
                reference = {"$ref": f"#/components/responses/{_name(status)}"}
                operation["responses"].setdefault(str(status), reference)
    components["responses"] = {
        _name(status): {
            "description": _described(status),
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted(used)
    }
    return result


def _described(status: int) -> str:
    """Return what a status means, with every code it may carry."""
    _, sentence = _CODES.get(status, ("", "The state of things does not permit this."))
    codes, kinds = set[str](), [Refusal]
    while kinds:
        kinds += (kind := kinds.pop()).__subclasses__()
        if kind.status == status and kind is not Refusal:
            codes.add(kind.code)
    return f"{sentence} `code`: {', '.join(sorted(codes))}." if codes else sentence


_NAMES = {409: "Conflict", 412: "TicketChanged", 428: "VersionRequired"}


def _name(status: int) -> str:
    word = _NAMES.get(status) or slugify(_CODES[status][0]).replace("-", " ").title()
    return word.replace(" ", "") + "Problem"
