"""What a row looked like: a copy of it, made by the database, after every change."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.db import connections, models, router
from django.utils import timezone
from simple_history.models import HistoricalRecords

from audit.context import acting_user


class CopiedRecords(HistoricalRecords):
    """Keep history as `HistoricalRecords` does, but let the database copy the row.

    A wide row written twice from Python costs more than everything else a vote does. The copy
    is one statement, and it holds what is stored rather than what an instance believes.
    No signals are sent for it; nobody here listens to them.
    """

    _statement = ""
    _all: ClassVar[dict[type[models.Model], "CopiedRecords"]] = {}

    def contribute_to_class(self, cls: type[models.Model], name: str) -> None:
        """Keep history for a model, and be found by it."""
        super().contribute_to_class(cls, name)
        self._all[cls] = self

    @classmethod
    def of(cls, model: type[models.Model]) -> "CopiedRecords | None":
        """Return what keeps the history of a model, or None where nothing does."""
        return cls._all.get(model)

    def create_historical_record(
        self, instance: models.Model, history_type: str, using: str | None = None
    ) -> None:
        """Store how the row stands after a creation (`+`) or a change (`~`)."""
        if history_type == "-":  # the row to copy is gone
            super().create_historical_record(instance, history_type, using=using)
            return
        self.copy([instance], history_type, using=using)

    def copy(
        self, instances: Sequence[models.Model], history_type: str, using: str | None = None
    ) -> None:
        """Store how these rows stand now; what changed them, and who, is one for all of them."""
        first = instances[0]
        connection = connections[using or router.db_for_write(type(first), instance=first)]
        user = self.get_history_user(first)
        reason = self.get_change_reason_for_object(first, history_type, using)
        at = getattr(first, "_history_date", None) or timezone.now()
        key = _options(first).pk
        statement = self._statement or self._write_statement(first, connection.ops.quote_name)
        places = ", ".join(["%s"] * len(instances))
        with connection.cursor() as cursor:
            cursor.execute(
                f"{statement} ({places})",
                [
                    connection.ops.adapt_datetimefield_value(at),
                    history_type,
                    reason,
                    user.pk if user else None,
                    *(key.get_db_prep_value(each.pk, connection) for each in instances),
                ],
            )

    def get_history_user(self, instance: models.Model) -> Any:
        """Return who acts, wherever they came in; else who is signed in."""
        return acting_user() or super().get_history_user(instance)

    def _write_statement(self, instance: models.Model, quote: Callable[[str], str]) -> str:
        own = _options(instance)
        history = _options(getattr(instance, self.manager_name).model).db_table
        columns = ", ".join(quote(field.column) for field in self.fields_included(instance))
        # The names come from the models, never from a caller.
        self._statement = (
            f"INSERT INTO {quote(history)} ({columns}, history_date, history_type, "  # noqa: S608
            f"history_change_reason, history_user_id) SELECT {columns}, %s, %s, %s, %s "
            f"FROM {quote(own.db_table)} WHERE {quote(own.pk.column)} IN"
        )
        return self._statement


def _options(model: Any) -> Any:
    return model._meta  # noqa: SLF001  public in all but its name
