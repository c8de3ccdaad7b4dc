"""The people, the key and the question of a proof. Small on purpose; it calls the services."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import Group

from approvals.models import AccessKey, User
from approvals.presets import PRESETS
from approvals.services.keys import create_key
from approvals.services.policies import publish_policy
from audit.clock import db_now
from reviews.models import Checkpoint, Queue, Ticket, WebhookEndpoint
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket


@dataclass
class Cast:
    """Who takes part: voters in the role `reviewer`, an owner, and the owner's service key."""

    owner: User
    key: AccessKey
    token: str
    checkpoint: str
    voters: list[User] = field(default_factory=list)

    def open(self, **request: Any) -> Ticket:
        """Open one ticket with the service key."""
        told = {"checkpoint": self.checkpoint, "title": "A loan", "proposal": {"amount": 1}}
        return open_ticket(
            requester=self.key.user, key=self.key, request=TicketRequest(**(told | request))
        )

    def open_many(self, count: int, **request: Any) -> list[UUID]:
        """Open tickets that differ by their number and return their ids."""
        return [self.open(proposal={"amount": n}, **request).pk for n in range(count)]


def person(name: str, *roles: str, email: str | None = None) -> User:
    """Return a new person with these roles."""
    address = f"{name}@example.org" if email is None else email
    user: User = User.objects.create_user(name, address, "a password nobody guesses")
    user.groups.set([Group.objects.get_or_create(name=role)[0] for role in roles])
    return user


def cast(
    *,
    voters: int,
    needed: int = 1,
    rejections: int | None = None,
    preset: str = "review",
    hold: str = "PT0S",
    expires: str | None = None,
    listening: bool = True,
) -> Cast:
    """Return a cast whose checkpoint asks `needed` reviewers; with an endpoint that listens."""
    tag = uuid4().hex[:6]
    role = Group.objects.get_or_create(name="reviewer")[0]
    owner = person(f"owner-{tag}")
    question = {**PRESETS[preset]}
    need = {"role": role.name, "count": needed, "people": []}
    question["stages"] = [
        {**PRESETS[preset]["stages"][0], "needs": [need], "rejections": rejections or needed}
    ]
    question["timing"] = {**question["timing"], "hold": hold}
    if expires:
        question["timing"]["expires"] = expires
    policy = publish_policy(
        slug=f"proof-{tag}",
        name="Proof",
        question=question,
        by=None,
        now=db_now(),
        safeguards={"silence_may_allow": preset == "post-approval"},
    )
    queue = Queue.objects.get_or_create(slug="general", defaults={"name": "General"})[0]
    queue.roles.add(role)
    checkpoint = Checkpoint.objects.create(slug=f"proof-{tag}", title="Proof", question=policy)
    key, token = create_key(name="proof", kind="service", owner=owner, now=db_now())
    if listening:
        WebhookEndpoint.objects.create(
            name="listener",
            url="https://listener.invalid/hook",
            checkpoint=checkpoint,
            types=["ticket.decided"],
            secret="whsec_" + "A" * 43 + "=",
            created_by=owner,
            created_at=db_now(),
        )
    people = [person(f"voter-{tag}-{n}", role.name) for n in range(voters)]
    return Cast(owner, key, token, checkpoint.slug, people)
