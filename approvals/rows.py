"""The row somebody names."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from approvals.errors import NotVisible

M = TypeVar("M", bound=Model)


def the_one(rows: QuerySet[M]) -> M:
    """Return the row there is.

    :raises NotVisible: where there is none, or none for whom these rows are.
    """
    found = rows.first()
    if found is None:
        raise NotVisible
    return found
