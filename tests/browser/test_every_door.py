"""The same stories told at the desk, over the interface, by mail and from the command line."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests import serving
from tests.browser.doors import DOORS, Door, Ticket, refusal
from tests.browser.stage import Demo

pytestmark = pytest.mark.browser

# Roles and checkpoints of these stories, made beside what the demo has.
HOUSE = """
from django.contrib.auth.models import Group
from approvals.models import User
from tests.stories import checkpoint, people, question

for name, members in (
    ("Legal", ["ana", "ben"]), ("Finance", ["ben", "chloe"]), ("Board", ["leo"]),
    ("Council", ["ana", "ben", "chloe"]),
):
    role = Group.objects.create(name=name)
    role.user_set.set(User.objects.filter(username__in=members))

def sign(*needs, **more):
    return question(stages=[{"name": "Sign", "needs": list(needs), **more}])

checkpoint("door-two", sign(people("reviewer", 2)))
checkpoint("door-both", sign(people("Legal"), people("Finance")))
checkpoint("door-ladder", sign(people("Legal"), ladder=[{"above": 1000, "role": "Board"}]))
checkpoint("door-veto", sign(people("reviewer", 3)))
checkpoint("door-council", sign(people("Council", "all")))
checkpoint("door-hold", question(hold="PT10M"))
checkpoint("door-short", question(hold="PT1S", revocable="PT10M"))
"""


@pytest.fixture(scope="session")
def opened(demo: Demo, browser: Browser) -> Iterator[dict[str, Door]]:
    """Set the house up, and hang its doors; people stay signed in from story to story."""
    made = serving.manage("shell", "--no-imports", "-c", HOUSE, folder=demo.folder)
    assert made.returncode == 0, made.stderr
    pages: dict[str, Any] = {}
    yield {name: door(demo, browser, pages) for name, door in DOORS.items()}
    for page in pages.values():
        page.context.close()


@pytest.fixture(params=list(DOORS))
def door(request: pytest.FixtureRequest, opened: dict[str, Door]) -> Door:
    return opened[request.param]


def ask(demo: Demo, checkpoint: str, **more: Any) -> Ticket:
    ticket = demo.api.open(f"Pay by {checkpoint}", checkpoint=checkpoint, **more)
    stands(demo, ticket, "pending", None)
    return ticket


def stands(demo: Demo, ticket: Ticket, status: str, allowed: object, **tally: int) -> Ticket:
    """Assert where a ticket stands, as the program that asked sees it; return it."""
    now = demo.api.read(ticket)
    assert (now["status"], now["allowed"]) == (status, allowed)
    assert tally.items() <= now["tally"].items()
    return now


def test_the_two_person_rule_takes_two(door: Door, demo: Demo) -> None:
    ticket = ask(demo, "door-two")
    door.vote("ana", ticket, "approve")
    stands(demo, ticket, "pending", None, approvals=1, needed=2)
    door.vote("chloe", ticket, "approve")
    stands(demo, ticket, "approved", True)


def test_legal_and_finance_takes_one_of_each(door: Door, demo: Demo) -> None:
    ticket = ask(demo, "door-both")
    door.vote("ben", ticket, "approve")
    stands(demo, ticket, "pending", None)  # Ben sits in both and has one vote
    door.vote("chloe", ticket, "approve")
    now = stands(demo, ticket, "approved", True)
    assert [cast["name"] for cast in now["tally"]["people"]] == ["ben", "chloe"]


def test_the_amount_climbs_the_ladder(door: Door, demo: Demo) -> None:
    cheap = ask(demo, "door-ladder", amount="1000")
    door.vote("ana", cheap, "approve")
    stands(demo, cheap, "approved", True)
    dear = ask(demo, "door-ladder", amount="1000.01")
    door.vote("ana", dear, "approve")
    stands(demo, dear, "pending", None, approvals=1, needed=2)
    door.vote("leo", dear, "approve")
    stands(demo, dear, "approved", True)


def test_one_veto_settles(door: Door, demo: Demo) -> None:
    ticket = ask(demo, "door-veto")
    door.vote("ana", ticket, "approve")
    stands(demo, ticket, "pending", None)
    door.vote("ben", ticket, "reject", reason="Not ours to buy.")
    assert stands(demo, ticket, "rejected", False)["comments"] == "Not ours to buy."


def test_consensus_takes_everybody(door: Door, demo: Demo) -> None:
    ticket = ask(demo, "door-council")
    for count, person in enumerate(("ana", "ben", "chloe")):
        stands(demo, ticket, "pending", None, approvals=count, needed=3)
        door.vote(person, ticket, "approve")
    stands(demo, ticket, "approved", True)


def test_a_second_round_asks_everybody_again(door: Door, demo: Demo) -> None:
    ticket = ask(demo, "door-two")
    door.vote("ana", ticket, "approve")
    stands(demo, ticket, "pending", None, approvals=1)
    door.vote("chloe", ticket, "request_changes", reason="Half of it.")
    assert stands(demo, ticket, "needs_changes", None)["comments"] == "Half of it."
    changed = {"proposal": {"payee": "ACME", "total": 450}}
    demo.api.call("POST", f"/tickets/{ticket['id']}/resubmit", changed)
    assert stands(demo, ticket, "pending", None, approvals=0)["round"] == 2
    door.vote("chloe", ticket, "approve")
    stands(demo, ticket, "pending", None, approvals=1)  # Ana's earlier vote counts no more
    door.vote("ana", ticket, "approve")
    stands(demo, ticket, "approved", True)


def test_a_vote_is_taken_back_inside_the_hold_and_revoked_after_it(door: Door, demo: Demo) -> None:
    held = ask(demo, "door-hold")
    short = ask(demo, "door-short")
    door.vote("ana", short, "approve")
    door.vote("ana", held, "approve")
    assert stands(demo, held, "pending", None)["decision"]["outcome"] == "approve"
    door.take_back("ana", held)
    assert stands(demo, held, "pending", None, approvals=0)["decision"] is None
    demo.api.call("POST", f"/tickets/{held['id']}/cancel", {})
    until(demo, short, "approved")
    stands(demo, short, "approved", True)
    door.revoke("ana", short)
    stands(demo, short, "revoked", False)


def test_a_delegate_votes_for_who_is_away(door: Door, demo: Demo) -> None:
    ends_at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    chloe = demo.as_person("chloe")
    loan = chloe.call("POST", "/delegations", {"delegate": "ana", "ends_at": ends_at})
    try:
        ticket = ask(demo, "general", region="Region2")
        door.vote("ana", ticket, "approve", lender="chloe")
        now = stands(demo, ticket, "approved", True)
    finally:
        chloe.call("DELETE", f"/delegations/{loan['id']}")
    (cast,) = now["tally"]["people"]
    assert (cast["name"], cast["on_behalf_of"]) == ("ana", "chloe")


def test_what_passed_under_a_bypass_is_looked_at_afterwards(door: Door, demo: Demo) -> None:
    leo = demo.as_person("leo")
    started = door.start_bypass("leo")
    running = [one for one in leo.call("GET", "/bypasses")["data"] if one["state"] == "active"]
    assert bool(running) is started
    if not started:
        ask(demo, "general")
        return
    try:
        passed = demo.api.open("Pay in an emergency")
        assert stands(demo, passed, "approved", True)["decision"]["by"] == "bypass"
    finally:
        leo.call("POST", f"/bypasses/{running[0]['id']}/end", {})
    ask(demo, "general")
    bypass = leo.call("GET", f"/bypasses/{running[0]['id']}")
    again = {"duration": "30m", "reason": "Once more, please.", "password": "x"}
    assert refusal(leo, "POST", "/bypasses", again) == (409, "bypass-unreviewed")
    review = demo.as_person("maya").call("GET", f"/tickets/{bypass['review']}")
    assert (review["status"], review["proposal"]["passed"]) == ("pending", 1)
    door.vote("maya", review, "in_order")
    assert demo.as_person("maya").call("GET", f"/tickets/{review['id']}")["status"] == "answered"
    for _ in range(200):  # noted within a beat
        if leo.call("GET", f"/bypasses/{bypass['id']}")["state"] == "reviewed":
            break
    else:
        raise AssertionError("Nobody noted that somebody looked at it.")


def until(demo: Demo, ticket: Ticket, status: str) -> None:
    """Wait as programs do: the answer comes when the ticket is no longer pending."""
    now = demo.api.call("GET", f"/tickets/{ticket['id']}", wait=20)
    assert now["status"] == status
