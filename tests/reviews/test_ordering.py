import random
from datetime import timedelta

import pytest

from approvals.models import Decision, StageGrant
from approvals.presets import PRESETS
from approvals.services.policies import publish_policy
from audit.clock import db_now, shifted
from audit.services import Draft, record
from reviews import ordering, ranking
from reviews.models import Queue, Ticket
from reviews.ordering import Cursor, waiting_page
from reviews.services.lanes import put_in_lane
from tests import builders

pytestmark = pytest.mark.db
HOUR = timedelta(hours=1)


@pytest.fixture
def cast():
    return builders.make_cast()


def everything(user, now, size, **more):
    """Return the ids page by page, to the end."""
    ids, after = [], None
    while True:
        page = waiting_page(user, now=now, after=after, size=size, **more)
        assert len(page.tickets) <= size
        ids += [ticket.pk for ticket in page.tickets]
        if page.after is None:
            return ids
        after = Cursor.read(str(page.after))
        assert after == page.after


def by_force(user, now):
    """Return the ids as the database sorts them, all at once."""
    waiting = Ticket.objects.visible_to(user).waiting().most_urgent_first(now)
    return list(waiting.values_list("pk", flat=True))


def waiting_now():
    return Ticket.objects.waiting().select_related("queue", "region", "decision__policy")


def here(person, ticket):
    return ticket.region is None or person in ticket.region.people.all()


def asks(person, ticket):
    """Say whether a role of theirs may vote on a stage of what is asked, region by region."""
    stages = ticket.decision.policy.stages.values_list("pk", flat=True)
    grants = StageGrant.objects.filter(content_object__in=stages, group__user=person)
    return here(person, ticket) and grants.exists()


def sees(person, ticket):
    """Say, row by row and without a lane, whether a person sees a ticket."""
    mine = person in (ticket.requester, ticket.beneficiary)
    by_queue = ticket.queue.roles.filter(user=person).exists() and here(person, ticket)
    everything = person.has_perm("reviews.view_any_ticket")
    return everything or mine or by_queue or asks(person, ticket)


def random_queues(cast, chance):
    """Make three queues that weigh age differently; reviewers see two of them."""
    queues = [cast.queue]
    for number in range(2):
        weights = {"impact": 0.4, "age": chance.random(), "confidence": 0.2, "compliance": 0.1}
        queues.append(Queue.objects.create(slug=f"q{number}", name=f"Q{number}", weights=weights))
    queues[1].roles.set([cast.roles["reviewer"]])
    return queues


@pytest.mark.parametrize("seed", range(6))
def test_pages_follow_the_exact_order_at_any_moment(cast, seed):
    chance = random.Random(seed)
    queues = random_queues(cast, chance)
    regions = [None, None, builders.make_region("north", cast.ann), builders.make_region("south")]
    leads = publish_policy(
        slug="leads", name="Leads", question=_asked_of("lead"), by=None, now=db_now()
    )
    checkpoints = [cast.general, builders.make_checkpoint("leading", question=leads)]
    tickets = []
    ages = sorted(chance.choice([1, 23.9, 24, 24.1, 80]) * chance.random() for _ in range(60))
    for age in reversed(ages):
        checkpoint, region = chance.choice(checkpoints), chance.choice(regions)
        queue = chance.choice(queues)
        with shifted(-age * HOUR):
            ticket = cast.open(
                checkpoint=checkpoint.slug,
                region=region.slug if region else "",
                financial_impact=chance.choice([None, 0.0, 0.5, chance.random()]),
                compliance=chance.random() < 0.3,
                ai={"confidence": chance.choice([0.5, chance.random()])},
                on_behalf_of=chance.choice(["", "", "otto", "ann"]),
            )
        _move(ticket, queue)
        tickets.append(ticket)
    for ticket in chance.sample(tickets, 5):
        if not ticket.on_behalf_of:
            _settled_but_not_final(cast, ticket)

    now = db_now() + chance.random() * 20 * HOUR
    for person in (cast.ann, cast.lena, cast.ada, cast.otto):
        expected = by_force(person, now)
        assert set(expected) == {ticket.pk for ticket in waiting_now() if sees(person, ticket)}
        assert everything(person, now, size=chance.choice([1, 7, 50])) == expected
        only = {queues[0].pk}
        kept = [each for each in expected if Ticket.objects.get(pk=each).queue_id in only]
        assert everything(person, now, size=7, queues=only) == kept
        mine = [each for each in expected if asks(person, Ticket.objects.get(pk=each))]
        assert everything(person, now, size=7, asked=True) == mine
        dear = Ticket.objects.filter(financial_impact__gt=0.4)
        few = [each for each in expected if dear.filter(pk=each).exists()]
        assert everything(person, now, size=3, rows=dear) == few
        # So few that the database looks for them by itself; and lanes read a little at a time.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ordering, "_PATIENCE", 2)
            patch.setattr(ordering, "_AT_ONCE", 8)
            patch.setattr(ordering, "_SHALLOW", 1)
            patch.setattr(ordering, "_TERMS", 3)
            assert everything(person, now, size=3, rows=dear) == few
            assert everything(person, now, size=7) == expected


def test_equals_stand_in_the_order_they_came(cast):
    with shifted(-48 * HOUR):
        came = [cast.open().pk for _ in range(40)]
    assert everything(cast.ann, db_now(), size=9) == came


def test_a_page_goes_on_where_it_ended_although_time_passed(cast):
    with shifted(-23.9 * HOUR):
        tickets = [cast.open(financial_impact=i / 10) for i in range(10)]
    now = db_now()
    first = waiting_page(cast.ann, now=now, size=4)
    late = waiting_page(cast.ann, now=now + 30 * HOUR, after=first.after, size=10)
    seen = [ticket.pk for ticket in [*first.tickets, *late.tickets]]
    assert seen == [ticket.pk for ticket in reversed(tickets)]


def test_somebody_without_roles_sees_an_empty_queue(cast):
    cast.open()
    assert waiting_page(cast.otto, now=db_now()).tickets == []


@pytest.mark.parametrize(
    "text", ["", "1", "a_b_c", "1_2_3_4", f"1e300_0.5_{'0' * 32}", f"1_nan_{'0' * 32}"]
)
def test_a_cursor_nobody_gave_out_is_refused(text):
    with pytest.raises(ValueError):  # noqa: PT011  the sentence is float's or UUID's own
        Cursor.read(text)


def _asked_of(role):
    question = {**PRESETS["review"]}
    needs = [{**need, "role": role} for need in question["stages"][0]["needs"]]
    return question | {"stages": [{**question["stages"][0], "needs": needs}]}


def _move(ticket, queue):
    ticket.queue = queue
    ticket.rank_base, ticket.rank_young = ranking.constants(
        impact=ticket.financial_impact,
        confidence=ticket.ai.get("confidence"),
        compliance=ticket.compliance,
        created_at=ticket.created_at,
        weights=ranking.Weights(**queue.weights),
    )
    policy = Decision.objects.get(pk=ticket.decision_id).policy_id
    ticket.lane_id = put_in_lane(queue_id=queue.pk, policy_id=policy, region_id=ticket.region_id)
    ticket.save(update_fields=["queue", "lane", "rank_base", "rank_young"])


def _settled_but_not_final(cast, ticket):
    """Have a ticket stand in its hold, where it is pending and nobody is asked any more."""
    decision = Decision.objects.get(pk=ticket.decision_id)
    decision.by, decision.outcome, decision.effect = "votes", "approve", "allow"
    decision.settled_at = db_now()
    decision.final_at = decision.settled_at + HOUR
    told = Draft("ticket.settled", decision.settled_at)
    record(ticket.stream, [told])
    decision.last_event_id = told.id
    decision.save()
