"""What commands that somebody gives in a name have in common."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from approvals.errors import Refusal
from approvals.models import User
from audit.context import entering


def person_called(name: str) -> User:
    """Return who bears a user name, or end the command."""
    person = User.objects.filter(username=name).first()
    if person is None:
        raise CommandError(f"There is nobody called {name}.")
    return person


@contextmanager
def commanded() -> Iterator[None]:
    """Do what follows as done by command; what is refused is said on the terminal."""
    try:
        with entering(channel="command"):
            yield
    except Refusal as refusal:
        raise CommandError(" ".join(refusal.told)) from refusal
