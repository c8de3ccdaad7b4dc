"""Many people press *next* at once: everybody gets a ticket of their own, and none is lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID

import pytest
from django.db import connection, connections

from approvals.errors import Busy
from approvals.models import User
from reviews.models import Assignment
from reviews.services.assignments import claim_next
from reviews.services.bulk import open_tickets
from reviews.services.requests import TicketRequest
from tests.builders import Cast, make_person

pytestmark = pytest.mark.real

PEOPLE, TICKETS = 16, 200


@pytest.fixture
def _room_for_all(db: None) -> Iterator[None]:
    """Let everybody have a connection to PostgreSQL at the same time."""
    pool = getattr(connection, "pool", None)
    if pool is None:
        yield
        return
    least, most = pool.min_size, pool.max_size
    pool.resize(least, PEOPLE + 2)
    yield
    pool.resize(least, most)


@pytest.mark.usefixtures("_room_for_all")
def test_sixteen_people_share_two_hundred_tickets(cast: Cast) -> None:
    people = [make_person(f"p{n}", roles=[cast.roles["reviewer"]]) for n in range(PEOPLE)]
    wanted = [TicketRequest(title=f"Ticket {n}", amount=n % 7) for n in range(TICKETS)]
    opened = open_tickets(requester=cast.key.user, key=cast.key, requests=wanted)
    together = Barrier(PEOPLE)

    def work(person: User) -> list[UUID]:
        got: list[UUID] = []
        together.wait()
        try:
            while True:
                try:
                    ticket = claim_next(queue=cast.queue, person=person)
                except Busy:
                    continue
                if ticket is None:
                    return got
                got.append(ticket.pk)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(PEOPLE) as threads:
        given = list(threads.map(work, people))

    everything = [ticket for got in given for ticket in got]
    assert len(everything) == len(set(everything)) == TICKETS
    assert set(everything) == {ticket.pk for ticket in opened}
    held = Assignment.objects.filter(released_at__isnull=True).values_list("ticket", "person")
    assert set(held) == {
        (ticket, person.pk) for person, got in zip(people, given, strict=True) for ticket in got
    }
