"""How the desk looks to one person, and the views of the queue they keep."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from approvals.answers import check_plain
from approvals.errors import Invalid, WrongState
from approvals.models import User
from approvals.models.user import check_time_zone
from audit.inert import has_hidden

DENSITIES = {"roomy": "Roomy rows, two lines", "compact": "Compact rows, one line"}
MOST_VIEWS = 20
LONGEST_NAME = 40
LONGEST_QUERY = 500

View = dict[str, str]


def density_of(person: User) -> str:
    """Return how high this person's rows are: roomy or compact."""
    chosen = person.preferences.get("density")
    return chosen if chosen in DENSITIES else "roomy"


def views_of(person: User) -> list[View]:
    """Return the views this person keeps, each with `name` and `query`."""
    kept = person.preferences.get("views")
    return list(kept) if isinstance(kept, list) else []


def keep_preferences(
    *,
    person: User,
    density: str | None = None,
    shortcuts: bool | None = None,
    advance: bool | None = None,
    time_zone: str | None = None,
) -> User:
    """Keep what is given; the rest stays as it was.

    :raises Refusal: Invalid for a density or a time zone nobody knows.
    """
    if density is not None and density not in DENSITIES:
        raise Invalid.at("/density", "Choose one of those shown.")
    if time_zone is not None:
        try:
            check_time_zone(time_zone)
        except ValidationError as problem:
            message = problem.messages[0]
            raise Invalid.at("/time_zone", message, detail=message) from None
    told = {"density": density, "shortcuts": shortcuts, "advance": advance}
    with _keeping(person) as kept:
        if time_zone is not None:
            kept.time_zone = time_zone
        kept.preferences |= {name: value for name, value in told.items() if value is not None}
    return kept


def add_view(*, person: User, name: str, query: str) -> User:
    """Keep a view of the queue under a name; one of the same name gives way.

    :raises Refusal: Invalid for a name that cannot be one, WrongState when there are too many.
    """
    name = _checked(name)
    with _keeping(person) as kept:
        views = [view for view in views_of(kept) if view["name"] != name]
        if len(views) >= MOST_VIEWS:
            raise WrongState(f"At most {MOST_VIEWS} views are kept; delete one first.")
        kept.preferences["views"] = [*views, {"name": name, "query": query[:LONGEST_QUERY]}]
    return kept


def rename_view(*, person: User, name: str, to: str) -> User:
    """Give a view another name; without such a view nothing changes.

    :raises Refusal: Invalid for a name that cannot be one, WrongState for one that is taken.
    """
    to = _checked(to)
    with _keeping(person) as kept:
        views = views_of(kept)
        if to != name and any(view["name"] == to for view in views):
            raise WrongState("Another view has this name.")
        kept.preferences["views"] = [
            {**view, "name": to} if view["name"] == name else view for view in views
        ]
    return kept


def delete_view(*, person: User, name: str) -> User:
    """Forget a view; without such a view nothing changes."""
    with _keeping(person) as kept:
        kept.preferences["views"] = [view for view in views_of(kept) if view["name"] != name]
    return kept


def _checked(name: str) -> str:
    name = " ".join(name.split())
    check_plain(name, at="/name")
    if not 0 < len(name) <= LONGEST_NAME or has_hidden(name):
        message = f"A name has 1 to {LONGEST_NAME} characters, all of them visible."
        raise Invalid.at("/name", message, detail=message)
    return name


@contextmanager
def _keeping(person: User) -> Iterator[User]:
    """Lock a person, let the caller change what they prefer, and store it."""
    with transaction.atomic():
        kept = User.objects.select_for_update(of=("self",)).get(pk=person.pk)
        if not isinstance(kept.preferences, dict):
            kept.preferences = dict[str, Any]()
        yield kept
        kept.save(update_fields=["preferences", "time_zone"])
