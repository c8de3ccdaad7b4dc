"""Reads whose SQL is written once.

A vote makes several of them, and writing the SQL cost more than running it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.db import connection, models
from django.db.models.query import get_related_populators
from django.db.transaction import TransactionManagementError

Row = TypeVar("Row", bound=models.Model)

_UUID: Any = models.UUIDField()
# Stands where the key goes while the SQL is written; no row of ours bears it.
_PROBE = UUID("00000000-0000-4000-8000-c0de00000000")


@dataclass(frozen=True, slots=True)
class _Plan:
    """One statement, and how a row of its result becomes an instance."""

    sql: str
    parameters: tuple[Any, ...]
    locks: bool
    model: Any
    first: int
    names: tuple[str, ...]
    annotations: tuple[tuple[str, int], ...]
    converters: tuple[tuple[int, tuple[Any, ...], Any], ...]
    related: tuple[Any, ...]


class PreparedRead(Generic[Row]):
    """Give the rows a queryset gives for one key, with those it selects beside them.

    The queryset puts the key into conditions only; everything else in it is the same at every
    call.

    :param field: what the key is, where it is no UUID; `probe` is a value no row of ours bears.
    """

    def __init__(
        self,
        queryset: Callable[[Any], models.QuerySet[Row]],
        *,
        field: Any = _UUID,
        probe: Any = _PROBE,
    ) -> None:
        self._queryset, self._field, self._probe = queryset, field, probe
        self._plans: dict[str, _Plan] = {}

    def __call__(self, key: Any) -> list[Row]:
        """Return the rows for this key.

        :raises TransactionManagementError: for a read that locks, outside a transaction.
        """
        plan = self._plans.get(connection.vendor) or self._write()
        if plan.locks and not connection.in_atomic_block:
            raise TransactionManagementError("A lock is held by a transaction; none is open.")
        keys = (key, self._probe)
        value, probe = (self._field.get_db_prep_value(each, connection) for each in keys)
        parameters = [value if each == probe else each for each in plan.parameters]
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, parameters)
            return [_instance(plan, list(row)) for row in cursor.fetchall()]

    def _write(self) -> _Plan:
        query = self._queryset(self._probe).query
        compiler = query.get_compiler(connection=connection)
        sql, parameters = compiler.as_sql()
        fields = compiler.klass_info["select_fields"]
        first, last = fields[0], fields[-1]
        converters = compiler.get_converters([column for column, _, _ in compiler.select])
        plan = _Plan(
            sql=sql,
            parameters=tuple(parameters),
            locks=query.select_for_update,
            model=query.model,
            first=first,
            names=tuple(c.target.attname for c, _, _ in compiler.select[first : last + 1]),
            annotations=tuple(compiler.annotation_col_map.items()),
            converters=tuple((at, tuple(do), column) for at, (do, column) in converters.items()),
            related=tuple(
                get_related_populators(  # type: ignore[call-arg]  # the stubs know a later Django
                    compiler.klass_info, compiler.select, connection.alias
                )
            ),
        )
        self._plans[connection.vendor] = plan
        return plan


def _instance(plan: _Plan, row: list[Any]) -> Any:
    for position, converters, column in plan.converters:
        for convert in converters:
            row[position] = convert(row[position], column, connection)
    own = row[plan.first : plan.first + len(plan.names)]
    found = plan.model.from_db(connection.alias, plan.names, own)
    for name, position in plan.annotations:
        setattr(found, name, row[position])
    for populator in plan.related:
        populator.populate(row, found)
    return found
