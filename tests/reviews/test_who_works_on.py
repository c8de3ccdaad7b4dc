"""Who holds a seat on a ticket, or has it from somebody who lends it: only inside its region."""

from datetime import timedelta

import pytest

from approvals.services.delegations import start_delegation
from audit.clock import db_now
from reviews.models import Ticket
from reviews.services.seats import poll_of, works_on
from reviews.services.turns import turn_at
from tests.builders import make_region

pytestmark = pytest.mark.db


@pytest.mark.parametrize(("lender", "works"), [("ann", True), ("ben", False)])
def test_a_lent_seat_is_one_only_in_the_lenders_regions(cast, lender, works):
    """Otto has no role; what is lent to him from outside the region is no seat there."""
    now = db_now()
    start_delegation(
        lender=getattr(cast, lender),
        delegate=cast.otto,
        by=getattr(cast, lender),
        ends_at=now + timedelta(days=2),
    )
    ticket = cast.open(region=make_region("north", cast.ann).slug)
    with turn_at(ticket_id=ticket.pk, actor=cast.otto) as turn:
        assert works_on(poll_of(turn, cast.otto), cast.otto) is works
    assert Ticket.objects.visible_to(cast.otto).filter(pk=ticket.pk).exists() is works
