"""What a rule may read, of which types, and how it is fetched when the rule is asked."""

from __future__ import annotations

import decimal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rule_engine import DataType

from reviews.schema_types import Kind

NAMESPACES: dict[str, dict[str, Kind]] = {
    "ticket": {
        "amount": Kind("number"),
        "priority": Kind("text"),
        "domain": Kind("text"),
        "region": Kind("text"),
        "impact": Kind("text"),
        "financial_impact": Kind("number"),
        "compliance": Kind("boolean"),
        "novel_pattern": Kind("boolean"),
        "labels": Kind("list", "text"),
        "preset": Kind("text"),
        "requester": Kind("text"),
    },
    "ai": {
        "prediction": Kind("text"),
        "confidence": Kind("number"),
        "model": Kind("text"),
    },
}
# Each kind a rule may read: how rule-engine knows it, and what it is in Python.
READABLE: dict[str, tuple[Any, tuple[type, ...]]] = {
    "number": (DataType.FLOAT, (int, float, decimal.Decimal)),
    "text": (DataType.STRING, (str,)),
    "boolean": (DataType.BOOLEAN, (bool,)),
    "list": (DataType.ARRAY, (list, tuple)),
}


class NotGiven(Exception):
    """Say that a rule reads a value that is absent or null."""


class WrongType(Exception):
    """Say that a value is not of the type the schema promises."""


@dataclass(frozen=True)
class Read:
    """Fetch one value a rule names, by its path in ``{"", "ticket", "ai"}``."""

    path: tuple[str, ...]
    kind: Kind
    or_null: bool

    @property
    def name(self) -> str:
        return ".".join(part for part in self.path if part)

    @property
    def library_type(self) -> Any:
        """Return the type by which rule-engine knows the value."""
        type_, _ = READABLE[self.kind.name]
        if self.kind.name == "list" and self.kind.items in READABLE:
            type_ = type_(READABLE[self.kind.items][0])
        return DataType.NULLABLE(type_) if self.or_null else type_

    def of(self, facts: Mapping[str, Any]) -> Any:
        value: Any = facts
        for part in self.path:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is None:
            # Comparing with null would quietly be false, and the rule would let the ticket pass.
            if self.or_null:
                return None
            raise NotGiven(f"{self.name} is not given.")
        is_bool = isinstance(value, bool)
        if is_bool != (self.kind.name == "boolean") or not isinstance(
            value, READABLE[self.kind.name][1]
        ):
            raise WrongType(f"{self.name} is not a {self.kind.name}.")
        return value
