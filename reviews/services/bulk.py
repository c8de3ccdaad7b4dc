"""Many tickets in one call, and one that is only tried."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import transaction

from approvals.errors import Refusal, TooManyOpenings
from approvals.models import AccessKey, User
from reviews.models import Ticket
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket
from reviews.services.turns import writing


def open_tickets(
    *, requester: User, key: AccessKey | None, requests: Sequence[TicketRequest | Refusal]
) -> list[Ticket | Refusal]:
    """Open many tickets in one transaction; one that is refused does not keep the others back.

    A request that was refused before it came here is passed through, so that places match.
    """
    opened: list[Ticket | Refusal] = []
    full: Refusal | None = None
    with writing():
        for request in requests:
            if isinstance(request, Refusal):
                opened.append(request)
                continue
            if full is not None:  # no savepoint for each of hundreds that will be refused as well
                opened.append(full)
                continue
            try:
                with transaction.atomic():
                    opened.append(open_ticket(requester=requester, key=key, request=request))
            except TooManyOpenings as refusal:
                opened.append(full := refusal)
            except Refusal as refusal:
                opened.append(refusal)
    return opened


@contextmanager
def tried_ticket(
    *, requester: User, key: AccessKey | None, request: TicketRequest
) -> Iterator[Ticket]:
    """Open a ticket for the length of the block, then undo all of it, to see what would happen.

    :raises Refusal: as opening it would.
    """
    with writing():
        yield open_ticket(requester=requester, key=key, request=request)
        transaction.set_rollback(True)
