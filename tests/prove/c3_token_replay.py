"""C3: one token, posted many times at once, is taken once."""

from collections import Counter, defaultdict

from approvals.errors import Busy, Refusal
from approvals.models import Vote
from approvals.services.links import read_link
from reviews.services.mail_links import vote_by_link
from tests.prove.cast import cast
from tests.prove.crew import Hand
from tests.prove.letters import link_for
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

HANDS = 50
POSTS = 2  # by each hand, one after the other


def post_all(hand: Hand) -> None:
    """Vote with every link, together with everybody else."""
    for link_id in hand.parcel["links"]:
        link = read_link(link_id)
        assert link is not None
        hand.meet()
        for _ in range(POSTS):
            hand.note(link=link_id, code=_posted(link))


def _posted(link: object) -> str:
    for _ in range(20):
        try:
            vote_by_link(link=link, signed_in=None, choice="approve")  # type: ignore[arg-type]
        except Busy:
            continue
        except Refusal as refusal:
            return refusal.code
        return "taken"
    return "busy"


def race(scene: Scene, *, tokens: int) -> Figure:
    # Two are needed: nothing but the link itself stands in the way of the second post.
    people = cast(voters=2, needed=2, listening=False)
    links = [link_for(ticket, people.voters[0])[0].pk for ticket in people.open_many(tokens)]
    hands = scene.size(HANDS, least=6)
    ledger = scene.crew(post_all, hands=hands, parcel={"links": links})
    taken: dict[object, Counter[str]] = defaultdict(Counter)
    for line in ledger:
        taken[line["link"]][line["code"]] += 1
    codes = sum((taken[link] for link in links), Counter[str]())
    return figure(
        f"{hands * POSTS} posts of each of {tokens} tokens, {hands} at once",
        details={"answers": dict(codes)},
        tokens_taken_twice=sum(taken[link]["taken"] > 1 for link in links),
        tokens_never_taken=sum(taken[link]["taken"] == 0 for link in links),
        other_answers=len(ledger) - codes["taken"] - codes["link-used"],
        votes_too_many_or_few=abs(Vote.objects.count() - tokens),
    )


def run(scene: Scene) -> Figure:
    return race(scene, tokens=scene.size(100, least=5))


def control(scene: Scene) -> Figure:
    scene.switch_off("link-once")
    return race(scene, tokens=scene.size(10, least=5))


ROW = Row("C3", "A link is used once", run, control)
