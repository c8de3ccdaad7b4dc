"""D13: a fault at every call on the way to a decision, and silence: neither ever says yes."""

import logging
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Any
from uuid import uuid4

from django.db import DatabaseError

from approvals.errors import Invalid, Refusal
from approvals.models import User
from approvals.presets import PRESETS
from approvals.services.policies import publish_policy
from audit.clock import db_now, shifted
from reviews.models import Checkpoint, Rule, Ticket
from reviews.representation import ticket_allowed
from reviews.services.requests import TicketRequest
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import open_ticket
from reviews.services.votes import cast_vote
from tests.prove.cast import Cast, cast
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

OURS = ("approvals", "reviews", "audit")
LONG = timedelta(days=40)


class Injected(RuntimeError):
    """The fault."""


class Faults:
    """Count the calls of our own functions while something runs, and break one of them."""

    def __init__(self, at: int = -1, error: type[Exception] = Injected) -> None:
        self.at, self.error = at, error
        self.calls = 0
        self.place = ""

    def __call__(self, frame: FrameType, event: str, arg: Any) -> None:
        name = frame.f_globals.get("__name__", "")
        if event != "call" or name.partition(".")[0] not in OURS:
            return
        self.calls += 1
        if self.calls == self.at:
            self.place = f"{name}.{frame.f_code.co_qualname}"
            # From a tracer an exception surfaces in the function that was being called.
            raise self.error(self.place)

    def during(self, act: Callable[[], object]) -> None:
        """Run the act; whatever it raises ends it, as it ends a request."""
        hook, sys.unraisablehook = sys.unraisablehook, _unheard
        sys.settrace(self)
        try:
            act()
        except Exception:
            # A refusal, the fault itself, or what became of it: the transaction is gone.
            pass
        finally:
            sys.settrace(None)
            sys.unraisablehook = hook


def _unheard(_: object) -> None:
    """A generator that is given up meets the fault where nobody can catch it."""


@dataclass
class Scenario:
    """Something that must not end in a yes: how it is prepared, and what is done then."""

    name: str
    prepare: Callable[[], Any]
    act: Callable[[Any], object]


def scenarios(people: Cast, guarded: Cast) -> list[Scenario]:
    """Return the ways to a decision, none of which leads to a yes."""
    voter, other = people.voters[0], people.voters[1]
    stranger = User.objects.create_user("stranger", "stranger@example.org", "a password")

    def voting(choice: str, who: User, before: tuple[User, ...] = ()) -> tuple[Any, Any]:
        def prepare() -> Ticket:
            ticket = people.open()
            for earlier in before:
                _vote(ticket, earlier, "approve")
            return ticket

        return prepare, lambda ticket: _vote(ticket, who, choice)

    def silent(ticket: Ticket) -> None:
        with shifted(LONG):
            sweep_deadlines()

    opening = (lambda: None, lambda _: guarded.open(proposal={"amount": 5000}))
    changing = (people.open, lambda ticket: _vote(ticket, voter, "modify"))
    return [
        Scenario("a rule refuses", *opening),
        Scenario("one vote of two", *voting("approve", voter)),
        Scenario("a stranger's vote after one of two", *voting("approve", stranger, (voter,))),
        Scenario("the owner's vote after one of two", *voting("approve", people.owner, (voter,))),
        Scenario("the same vote again", *voting("approve", voter, (voter,))),
        Scenario("a rejection after one of two", *voting("reject", other, (voter,))),
        Scenario("a modification", *changing),
        Scenario("nobody answers", people.open, silent),
    ]


def _vote(ticket: Ticket, voter: User, choice: str) -> None:
    more: dict[str, Any] = {"amendments": {"amount": 2}} if choice == "modify" else {}
    cast_vote(ticket_id=ticket.pk, voter=voter, choice=choice, version=1, reason="seen", **more)


def guard(people: Cast) -> None:
    """Let this checkpoint pass what its rules do not refuse: what a fault must not make of it."""
    checkpoint = Checkpoint.objects.get(slug=people.checkpoint)
    checkpoint.proposal_schema = {
        "type": "object",
        "properties": {"amount": {"type": "number"}},
        "required": ["amount"],
    }
    checkpoint.otherwise = "allow"
    checkpoint.save()
    Rule.objects.create(
        checkpoint=checkpoint, position=1, name="large", when="amount > 1000", then="deny"
    )
    Rule.objects.create(
        checkpoint=checkpoint, position=2, name="small", when="amount < 10", then="allow"
    )


def yeses() -> set[Any]:
    """Return the tickets that say yes, by status or by what their caller reads."""
    rows = Ticket.objects.select_related("decision")
    said = rows.filter(status__in=["approved", "answered"]) | rows.filter(
        decision__effect__in=["allow", "answer"]
    )
    return {ticket.pk for ticket in said} | {
        ticket.pk for ticket in rows.order_by("-id")[:20] if ticket_allowed(ticket, ticket.decision)
    }


def faults(scene: Scene) -> tuple[dict[str, int], dict[str, Any], str]:
    """Break each call of each scenario in turn; count what became a yes."""
    people, guarded = cast(voters=3, needed=2), cast(voters=1)
    guard(guarded)
    approvals = tried = spared = 0
    places: set[str] = set()
    wrong: list[str] = []
    logging.disable(logging.CRITICAL)
    errors: tuple[type[Exception], ...] = (Injected, DatabaseError, KeyError, Invalid)
    standing = yeses()
    for scenario in scenarios(people, guarded):
        # Twice, because what is read only once (prepared statements, caches) is read by then.
        for _ in range(2):
            counting = Faults()
            counting.during(partial(scenario.act, scenario.prepare()))
        stride = 1 if scene.scale >= 1 else 2 + int(0.4 / scene.scale)
        for at in range(1, counting.calls + 1, stride):
            given = scenario.prepare()
            broken = Faults(at, errors[at % len(errors)])
            broken.during(partial(scenario.act, given))
            tried += 1
            places.add(broken.place)
            # A call that a cache made needless is no fault.
            spared += not broken.place
        new = yeses() - standing
        standing |= new
        approvals += len(new)
        if new:
            wrong.append(f"{scenario.name}: {len(new)}")
    logging.disable(logging.NOTSET)
    ran = f"{tried - spared} faults at {len(places)} functions"
    return {"approvals_after_a_fault": approvals}, {"wrong": wrong, "spared": spared}, ran


def silences() -> tuple[dict[str, int], str]:
    """Let every preset, and every wish of a requester, run out; count a yes nobody switched on."""
    found: Counter[str] = Counter(
        silence_that_approved=0,
        allowing_silences_taken_from_callers=0,
        allowing_silences_published_unswitched=0,
    )
    published = 0
    for name, preset in PRESETS.items():
        allowing = [o["key"] for o in preset["options"] if o["effect"] in ("allow", "answer")]
        for key in allowing:
            published += 1
            found["allowing_silences_published_unswitched"] += _published(preset, silence=key)
        people = cast(voters=1, preset=name)
        offered: dict[str, Any] = {"ai": {"options": [{"key": "one"}, {"key": "two"}]}}
        ticket = people.open(**(offered if preset["options_from"] else {}))
        with shifted(LONG):
            sweep_deadlines()
        ticket = Ticket.objects.select_related("decision").get(pk=ticket.pk)
        # One preset says so itself, in its own words: what was already done is kept.
        switched = preset["timing"]["silence"] in allowing
        yes = bool(ticket_allowed(ticket, ticket.decision))
        found["silence_that_approved"] += yes and not switched
        for key in [] if switched else allowing:
            asked = {"timing": {"silence": key}}
            try:
                made = open_ticket(
                    requester=people.key.user,
                    key=people.key,
                    request=TicketRequest(
                        checkpoint=people.checkpoint, title="Wish", question=asked, **offered
                    ),
                )
            except Refusal:
                continue
            silence = made.decision.question["timing"]["silence"]
            found["allowing_silences_taken_from_callers"] += silence == key
    ran = f"{len(PRESETS)} presets left unanswered, {published} allowing silences published"
    return dict(found), ran


def _published(preset: dict[str, Any], *, silence: str) -> bool:
    """Tell whether a question is published that takes silence for a yes, with no switch on."""
    question = {**preset, "timing": {**preset["timing"], "silence": silence}}
    slug = f"silent-{uuid4().hex[:8]}"
    try:
        publish_policy(slug=slug, name="Silent", question=question, by=None, now=db_now())
    except Refusal:
        return False
    return True


def attack(scene: Scene) -> Figure:
    counted, details, ran = faults(scene)
    silent, left = silences()
    return figure(f"{ran}; {left}", details=details, **counted, **silent)


def run(scene: Scene) -> Figure:
    return attack(scene)


def control(scene: Scene) -> Figure:
    """Let a rule that fails be passed over, as rule engines do."""
    scene.switch_off("asked-by-error")
    return attack(Scene(folder=scene.folder, scale=0.05, seed=scene.seed))


ROW = Row("D13", "No fault and no silence says yes", run, control)
