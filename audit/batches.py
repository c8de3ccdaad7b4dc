"""Change many rows of one model in one statement, and copy each into its history.

A statement per row is what a sweep of thousands of tickets would spend its time on.
"""

from collections.abc import Collection, Sequence
from typing import Any

from django.db import connection, models

from audit.history import CopiedRecords


def update_rows(rows: Sequence[models.Model], names: Collection[str]) -> None:
    """Store these fields of rows that the caller has locked, as they stand on the instances.

    Where the model keeps a history, how each row then looks is copied there.

    :param rows: of one model; none is no statement.
    """
    if not rows or not names:
        return
    meta = rows[0]._meta  # noqa: SLF001  public in all but its name
    key: Any = meta.pk
    # The same order every time, so that the same fields make the same statement.
    fields: list[Any] = [meta.get_field(name) for name in sorted(names)]
    quote = connection.ops.quote_name
    changes = ", ".join(
        f"{quote(field.column)} = {_typed(f'v.column{place}', field)}"
        for place, field in enumerate(fields, start=2)
    )
    one = "(" + ", ".join(["%s"] * (len(fields) + 1)) + ")"
    values = [
        field.get_db_prep_save(getattr(row, field.attname), connection)
        for row in rows
        for field in (key, *fields)
    ]
    table = quote(meta.db_table)
    with connection.cursor() as cursor:
        # Names of tables and columns come from the models, never from a caller.
        cursor.execute(
            f"UPDATE {table} SET {changes} FROM (VALUES {', '.join([one] * len(rows))}) AS v "  # noqa: S608
            f"WHERE {table}.{quote(key.column)} = {_typed('v.column1', key)}",
            values,
        )
    records = CopiedRecords.of(type(rows[0]))
    if records is not None:
        records.copy(rows, "~")


def _typed(column: str, field: Any) -> str:
    """Name a value's type where the database would take it for a text."""
    if connection.vendor != "postgresql":
        return column
    return f"{column}::{field.db_type(connection)}"
