"""C2: only the exact token opens a link, and only its person, its day and its round vote by it."""

import random
from collections import Counter
from datetime import timedelta

from approvals.errors import Refusal
from approvals.links import new_token
from approvals.models import DecisionLink, Vote
from approvals.services.links import find_link, read_link
from reviews.services.mail_links import vote_by_link
from reviews.services.tickets import resubmit_ticket
from tests.prove.cast import Cast, cast, person
from tests.prove.letters import Reader, link_for
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def mutant(token: str, rng: random.Random) -> str:
    """Return a token that is almost this one."""
    place = rng.randrange(len(token))
    letter = rng.choice(LETTERS)
    made = [
        token[:place] + letter + token[place + 1 :],
        token[:place] + chr(ord(token[place]) ^ 1) + token[place + 1 :],
        token[: max(place, 1)],
        token + letter,
        token[:place] + token[place].swapcase() + token[place + 1 :],
        token[place:] + token[:place],
        token.swapcase(),
        new_token(),
    ]
    return rng.choice([each for each in made if each != token])


def spoilt(people: Cast) -> dict[str, DecisionLink]:
    """Return links that were good once, or are somebody else's: none may vote."""
    ann = people.voters[0]
    spent, _ = link_for(people.open().pk, ann)
    vote_by_link(link=spent, signed_in=None, choice="approve")
    expired, _ = link_for(people.open().pk, ann)
    expired.expires_at -= timedelta(hours=25)
    expired.save(update_fields=["expires_at"])
    old = people.open()
    old_round, _ = link_for(old.pk, ann)
    resubmit_ticket(ticket_id=old.pk, requester=people.key.user, proposal={"amount": 99})
    stranger, _ = link_for(people.open().pk, person(f"stranger-{spent.pk.hex[-6:]}"))
    return {"spent": spent, "expired": expired, "old round": old_round, "not asked": stranger}


def accepted_by_services(people: Cast, rounds: int) -> tuple[list[str], int]:
    accepted = []
    for _ in range(rounds):
        for name, link in spoilt(people).items():
            fresh = read_link(link.pk)
            assert fresh is not None
            votes = Vote.objects.count()
            try:
                vote_by_link(link=fresh, signed_in=None, choice="approve")
            except Refusal:
                pass
            else:
                accepted.append(f"{name}, {Vote.objects.count() - votes} new votes")
    return accepted, rounds * 4


def guess(scene: Scene) -> Figure:
    people = cast(voters=2, listening=False)
    pool = [link_for(ticket, people.voters[0])[1] for ticket in people.open_many(20)]
    at_function = scene.size(10_000, least=200)
    over_http = scene.size(1_000, least=50)
    found = sum(
        find_link(mutant(scene.rng.choice(pool), scene.rng)) is not None for _ in range(at_function)
    )
    spoilt_accepted, spoilt_tried = accepted_by_services(people, scene.size(25, least=2))
    answers: Counter[str] = Counter()
    looks = set()
    with scene.served() as url:
        reader = Reader(url)
        for _ in range(over_http):
            status, page = reader.call("GET", f"/a/{mutant(scene.rng.choice(pool), scene.rng)}")
            answers[str(status)] += 1
            looks.add(page)
        cookies = dict(reader.cookies)
        # Somebody with a good link of their own goes to the page of another's.
        reader.open(pool[0])
        mine = reader.page
        other, _ = link_for(people.open().pk, people.voters[1])
        status, _ = reader.call("GET", mine.replace(mine.split("/")[-2], str(other.pk)))
        answers[f"page of another: {status}"] += 1
        crossed = status != 404
        reader.close()
    return figure(
        f"{at_function} mutants at the function, {over_http} over HTTP, "
        f"{spoilt_tried} spoilt links",
        details={"answers": dict(answers), "spoilt": spoilt_accepted[:20]},
        mutants_found=found,
        mutants_accepted_over_HTTP=over_http - answers["404"],
        cookies_given=int("countersign_link" in cookies),
        spoilt_links_that_voted=len(spoilt_accepted),
        pages_of_others_opened=int(crossed),
        refusals_that_differ=len(looks) - 1,
    )


def run(scene: Scene) -> Figure:
    # A 429 is no refusal of the token, so the limit is off.
    scene.switch_off("wrong-link-limit")
    return guess(scene)


def control(scene: Scene) -> Figure:
    """Compare only a part of the token, and neither spend nor end links."""
    scene.switch_off("wrong-link-limit", "whole-token", "link-once")
    scene.scale = min(scene.scale, 0.1)
    return guess(scene)


ROW = Row("C2", "No other token opens a link, and no spoilt link votes", run, control)
