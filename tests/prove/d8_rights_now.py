"""D8: somebody loses the right to vote before the quorum is met: their vote does not count."""

from collections import Counter
from collections.abc import Callable
from uuid import UUID, uuid4

from django.contrib.auth.models import Group

from approvals import permissions
from approvals.models import ApprovalPolicy, User
from reviews.models import Checkpoint
from tests.prove import ballots
from tests.prove.cast import Cast, cast, person
from tests.prove.crew import Hand, gather
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

NEEDED = 2


def deactivated(people: Cast, who: User) -> None:
    """Lock the account."""
    User.objects.filter(pk=who.pk).update(is_active=False)


def out_of_the_role(people: Cast, who: User) -> None:
    """Take the person out of the role."""
    who.groups.clear()


def turned_out_to_be_the_owner(people: Cast, who: User) -> None:
    """Let the account turn out to be another one of the key's owner."""
    who.email = people.owner.email.replace("@", "+second@")
    who.save()


def role_removed(people: Cast, who: User) -> None:
    """Take the right to vote from everybody of the role."""
    permissions.revoke_votes(role=who.groups.get(), policy_slug=_policy(people).slug)


def _policy(people: Cast) -> ApprovalPolicy:
    return Checkpoint.objects.select_related("question").get(slug=people.checkpoint).question


WAYS: tuple[Callable[[Cast, User], None], ...] = (
    *(deactivated, out_of_the_role, turned_out_to_be_the_owner, role_removed),
)


def approve(hand: Hand) -> None:
    """Vote on one's share of the tickets, each hand on connections of its own."""
    for place, (ticket, voter) in enumerate(hand.parcel["ballots"]):
        if place % hand.parcel["hands"] == hand.number:
            ballots.vote(hand, ticket=ticket, voter=User.objects.get(pk=voter), choice="approve")


def _all_vote(pairs: list[tuple[UUID, User]], *, hands: int = 4) -> Counter[str]:
    # Threads: what matters is the order of the steps, each over connections of its own.
    ledger = gather(
        approve,
        hands=hands,
        processes=0,
        parcel={"hands": hands, "ballots": [(ticket, voter.pk) for ticket, voter in pairs]},
    )
    return Counter(line["code"] for line in ledger)


def sequence(*, tickets: int) -> Figure:
    """Let one vote, take the right away, let the second vote, look, and let a third decide."""
    casts = {way: cast(voters=2, needed=NEEDED) for way in WAYS}
    opened: list[tuple[UUID, Cast, User, Callable[[Cast, User], None]]] = []
    for number in range(tickets):
        way = WAYS[number % len(WAYS)]
        leaver = person(f"leaver-{uuid4().hex[:8]}", "reviewer")
        opened.append((casts[way].open().pk, casts[way], leaver, way))
    ids = [ticket for ticket, *_ in opened]
    first = _all_vote([(ticket, leaver) for ticket, _, leaver, _ in opened])
    for _, people, leaver, way in opened:
        way(people, leaver)
    second = _all_vote([(ticket, people.voters[0]) for ticket, people, *_ in opened])
    between = ballots.standing(ids)
    # Where nobody of the role could vote, it is let back in: there the first vote counts again.
    role = Group.objects.filter(name="reviewer")
    for stage in _policy(casts[role_removed]).stages.all():
        permissions.grant_votes(stage=stage, roles=role)
    third = _all_vote([(ticket, people.voters[1]) for ticket, people, *_ in opened])
    return figure(
        f"{tickets} tickets whose first voter lost the right in {len(WAYS)} ways",
        details={"first": dict(first), "second": dict(second), "third": dict(third)},
        decided_with_a_revoked_vote=sum(status != "pending" for status in between.values()),
        undecided_by_two_good_votes=sum(
            status != "approved" for status in ballots.standing(ids).values()
        ),
        first_votes_refused=tickets - first["taken"],
    )


def run(scene: Scene) -> Figure:
    return sequence(tickets=scene.size(200, least=8))


def control(scene: Scene) -> Figure:
    """Count a vote by the rights its voter had when it was cast."""
    scene.switch_off("rights-now")
    return sequence(tickets=scene.size(20, least=8))


ROW = Row("D8", "A vote counts only while its voter may still give it", run, control)
