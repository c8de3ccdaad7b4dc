"""Read a JSON body exactly: what two programs could read differently is refused."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.core.exceptions import RequestDataTooBig
from django.http.request import UnreadablePostError
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from approvals.errors import Invalid
from audit.canonical import Unrepresentable, check_json

# Of the whole body. What is inside (a proposal, a form) has its own limit, counted from there.
_DEEPEST = 40


class ApiRequest(Request):
    """A request whose whole body is read first, which is where Django refuses a too large one."""

    def _load_stream(self) -> None:
        try:
            body = self._request.body
        except UnreadablePostError as problem:
            raise ParseError("The body ended early.") from problem
        if len(body) > _limit():
            # A chunked body announces no length, so it is only now known.
            raise RequestDataTooBig
        self._stream = BytesIO(body) if body else None  # type: ignore[assignment]


class StrictJsonParser(BaseParser):
    """Take RFC 8259 JSON in UTF-8, without duplicate names, NaN and what no database can hold."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002
        parser_context: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Return the value.

        :raises ParseError: for what is not JSON; Invalid, with its place, for what is not exact.
        """
        try:
            value = json.loads(
                stream.read().decode("utf-8"),
                object_pairs_hook=_object,
                parse_constant=_constant,
            )
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ParseError:
            raise
        except ValueError as problem:
            reason = problem.msg if isinstance(problem, json.JSONDecodeError) else "not UTF-8"
            raise ParseError(f"The body is not JSON: {reason}.") from None
        try:
            check_json(value, max_depth=_DEEPEST)
        except Unrepresentable as problem:
            errors = [{"pointer": problem.pointer, "message": str(problem)}]
            raise Invalid(errors=errors) from None
        return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ParseError("The body names a member twice; which one counts would be a guess.")
    return value


def _constant(name: str) -> Any:
    raise ParseError(f"The body is not JSON: it has no {name}.")


def _limit() -> int:
    from django.conf import settings

    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
