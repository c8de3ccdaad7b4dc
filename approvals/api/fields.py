"""Fields that take a JSON value for what it is: no text for numbers, no numbers for text."""

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.dateparse import parse_datetime
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from audit.canonical import Unrepresentable, canonical_bytes

_SPACES = re.compile(r"\s+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,2})?")
_LONGEST_NAME = 64


class StrictSerializer(serializers.Serializer[Any]):
    """An object that has only known members."""

    unknown = "This is not a member of this object; known are: {known}."

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated members.

        :raises ValidationError: naming every unknown or wrong member.
        """
        if not isinstance(data, Mapping):
            raise serializers.ValidationError({"non_field_errors": ["This must be an object."]})
        known = [name for name, field in self.fields.items() if not field.read_only]
        strangers = {
            name: [
                self.unknown.format(name=shown(name), known=", ".join(known))
                if known
                else "Nothing is taken here; send an empty body."
            ]
            for name in list(data)
            if name not in known
        }
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as problem:
            if not strangers:
                raise
            raise serializers.ValidationError({**_members(problem.detail), **strangers}) from None
        if strangers:
            raise serializers.ValidationError(strangers)
        return value


def _members(detail: Any) -> dict[str, Any]:
    return detail if isinstance(detail, dict) else {"non_field_errors": detail}


def shown(name: str) -> str:
    """Return a member's name as it may stand in a sentence."""
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "…"


class Text(serializers.CharField):
    """Text; spaces around it fall away. `lines` allows several, else it becomes one."""

    def __init__(self, *, lines: bool = False, **options: Any) -> None:
        self.lines = lines
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> str:
        """Return the text without control characters around or inside it."""
        if not isinstance(data, str):
            self.fail("invalid")
        if self.max_length is not None and len(data) > self.max_length:
            # As it was sent: whoever reads the description counts the spaces too.
            self.fail("max_length", max_length=self.max_length)
        text = data.strip() if self.lines else _SPACES.sub(" ", data).strip()
        if _CONTROL.search(text):
            raise serializers.ValidationError("Control characters are not possible here.")
        return text


class Choice(serializers.ChoiceField):
    """One of a few words."""

    def to_internal_value(self, data: Any) -> Any:
        """Return it."""
        try:
            return super().to_internal_value(data)
        except serializers.ValidationError:
            known = ", ".join(f"`{word}`" for word in self.choices)
            raise serializers.ValidationError(f"This must be one of {known}.") from None


class Flag(serializers.BooleanField):
    """True or false."""

    def to_internal_value(self, data: Any) -> bool:
        """Return it."""
        if not isinstance(data, bool):
            raise serializers.ValidationError("This must be true or false.")
        return data


class Whole(serializers.IntegerField):
    """A whole number."""

    def to_internal_value(self, data: Any) -> int:
        """Return it."""
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("This must be a whole number.")
        return data


class Real(serializers.FloatField):
    """A number."""

    def to_internal_value(self, data: Any) -> float:
        """Return it."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            raise serializers.ValidationError("This must be a number.")
        return float(data)


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string", "format": "decimal"}]})
class Money(serializers.DecimalField):
    """An amount: a number, or a decimal in text where a number would not be exact."""

    def to_internal_value(self, data: Any) -> Decimal:
        """Return it."""
        if isinstance(data, bool) or not isinstance(data, int | float | str):
            raise serializers.ValidationError("This must be a number.")
        if isinstance(data, str) and not _DECIMAL.fullmatch(data):
            raise serializers.ValidationError("Write an amount like 1200.50.")
        return super().to_internal_value(str(data))


@extend_schema_field({"type": "string", "format": "date-time"})
class Instant(serializers.Field):
    """An instant: ISO 8601 with its offset from UTC."""

    def to_internal_value(self, data: Any) -> datetime:
        """Return it, aware."""
        try:
            at = parse_datetime(data) if isinstance(data, str) and len(data) <= 40 else None
            if at is not None and at.utcoffset() is not None and 1970 <= at.year <= 9000:
                return at
        except (ValueError, OverflowError):
            pass
        raise serializers.ValidationError(
            "Write an instant with its offset, for example 2030-01-31T12:00:00Z."
        )

    def to_representation(self, value: Any) -> Any:
        """Return it as it came."""
        return value


@extend_schema_field({"type": "object", "additionalProperties": {}})
class Thing(serializers.Field):
    """A JSON object of the caller's own making, at most `most` bytes in canonical form."""

    kind: type | tuple[type, ...] = dict
    expected = "This must be an object."

    def __init__(self, *, most: int, **options: Any) -> None:
        self.most = most
        super().__init__(**options)

    def to_internal_value(self, data: Any) -> Any:
        """Return it, checked."""
        if isinstance(data, bool) and bool not in _tuple(self.kind):
            raise serializers.ValidationError(self.expected)
        if not isinstance(data, self.kind):
            raise serializers.ValidationError(self.expected)
        try:
            size = len(canonical_bytes(data))
        except Unrepresentable as problem:
            raise serializers.ValidationError(_placed(problem)) from None
        if size > self.most:
            raise serializers.ValidationError(
                f"This has {size} bytes; at most {self.most} are possible here."
            )
        return data

    def to_representation(self, value: Any) -> Any:
        """Return it as it is."""
        return value


@extend_schema_field({})
class Anything(Thing):
    """Any JSON value of bounded size."""

    kind = (dict, list, str, int, float, bool, type(None))


@extend_schema_field({"type": ["string", "number", "boolean"]})
class Scalar(Thing):
    """A text, a number, true or false."""

    kind = (str, int, float, bool)
    expected = "This must be text, a number, true or false."


@extend_schema_field({"type": "array", "items": {}})
class Things(Thing):
    """A JSON list of bounded size."""

    kind = list
    expected = "This must be a list."


def _tuple(kind: type | tuple[type, ...]) -> tuple[type, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _placed(problem: Unrepresentable) -> Any:
    """Return the error nested as deep as it stands, so that its pointer comes out right."""
    detail: Any = [str(problem)]
    for part in reversed(problem.pointer.split("/")[1:]):
        detail = {part.replace("~1", "/").replace("~0", "~"): detail}
    return detail
