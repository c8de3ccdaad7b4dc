"""Read a JSON body exactly: what two programs could read differently is refused."""

import json
from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from django.core.exceptions import RequestDataTooBig
from django.http.request import UnreadablePostError
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.request import Request

from approvals.errors import Invalid
from audit.canonical import Unrepresentable, check_json

# Of the whole body. What is inside (a proposal, a form) has its own limit, counted from there.
_DEEPEST = 40
# Longer ones are far beyond what is exact, and Python refuses to read the very long ones at all.
_MOST_DIGITS = 40
_SHOWN = 64


class ApiRequest(Request):
    """A request whose whole body is read first, which is where Django refuses a too large one."""

    def _load_stream(self) -> None:
        coding = self._request.headers.get("Content-Encoding", "identity").strip().lower()
        if coding not in {"", "identity"}:
            detail = "Send the body as it is, without Content-Encoding."
            raise UnsupportedMediaType(coding, detail=detail)
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
                parse_int=_whole,
                parse_constant=float,  # NaN and the infinities; refused below, with their place
            )
        except RecursionError:
            raise ParseError("The body is nested too deeply.") from None
        except ParseError:
            raise
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None
        except json.JSONDecodeError as problem:
            if problem.doc.startswith("\ufeff"):
                raise ParseError("Send the body without a byte order mark.") from None
            place = f"line {problem.lineno}, column {problem.colno}"
            raise ParseError(f"The body is not JSON: {problem.msg} at {place}.") from None
        try:
            check_json(value, max_depth=_DEEPEST)
        except Unrepresentable as problem:
            errors = [{"pointer": problem.pointer, "message": str(problem)}]
            raise Invalid(errors=errors) from None
        return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen = set[str]()
        name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        told = name[:_SHOWN].encode("utf-8", "replace").decode()
        raise ParseError(f"The body names `{told}` twice; which one counts would be a guess.")
    return value


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def _limit() -> int:
    from django.conf import settings

    return int(settings.DATA_UPLOAD_MAX_MEMORY_SIZE or 0)
