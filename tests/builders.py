"""The fixed cast of the stories, and what they start with: roles, a checkpoint, a queue, a key."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, Permission
from rest_framework.test import APIClient

from approvals.models import AccessKey, ApprovalPolicy, User
from approvals.presets import PRESETS
from approvals.services import keys
from approvals.services.policies import publish_policy
from audit.clock import db_now
from reviews.models import Checkpoint, Queue, Region, Ticket
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket
from reviews.services.votes import VoteAnswer, cast_vote

OFFICE = ("reviewer", "lead", "manager", "auditor", "admin")
# username: (first name, roles)
PEOPLE = {
    "ann": ("Ann", ["reviewer"]),
    "ben": ("Ben", ["reviewer"]),
    "cleo": ("Cleo", ["reviewer"]),
    "lena": ("Lena", ["lead"]),
    "max": ("Max", ["manager"]),
    "ada": ("Ada", ["auditor"]),
    "otto": ("Otto", []),
}
PASSWORD = "correct horse battery staple"


@dataclass
class Cast:
    """Everybody in the stories; `max` answers for the service key, so its work is his own."""

    ann: User
    ben: User
    cleo: User
    lena: User
    max: User
    ada: User
    otto: User
    roles: dict[str, Group]
    queue: Queue
    general: Checkpoint
    key: AccessKey
    token: str
    tokens: dict[int, str] = field(default_factory=dict)

    @property
    def machine(self) -> User:
        return self.key.user

    def as_key(self) -> APIClient:
        """Return a client that calls with the service key."""
        return bearer(self.token)

    def as_person(self, person: User, scopes: list[str] | None = None) -> APIClient:
        """Return a client that calls with a personal token of this person."""
        if scopes is not None:
            return bearer(personal_token(person, scopes))
        if person.pk not in self.tokens:
            self.tokens[person.pk] = personal_token(person)
        return bearer(self.tokens[person.pk])

    def open(self, **request: Any) -> Ticket:
        """Open a ticket with the service key; a title is enough."""
        given = {"title": "Pay ACME", "proposal": {"payee": "ACME", "total": 900}, **request}
        return open_ticket(requester=self.machine, key=self.key, request=TicketRequest(**given))

    def vote(self, ticket: Ticket, person: User, choice: str, **more: Any) -> VoteAnswer:
        """Cast a person's vote on the ticket as it stands."""
        ticket.refresh_from_db(fields=["version"])
        given = {"version": ticket.version, "reason": "", "confirmed": "now", **more}
        if choice not in {"approve", "abstain", "submit"} and not given["reason"]:
            given["reason"] = "Because."
        return cast_vote(ticket_id=ticket.pk, voter=person, choice=choice, **given)


def bearer(token: str) -> APIClient:
    """Return an API client that sends this token."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token}")
    return client


def make_roles() -> dict[str, Group]:
    """Make the five office roles; auditors and managers see every ticket."""
    roles = {name: Group.objects.get_or_create(name=name)[0] for name in OFFICE}
    rights = {right.codename: right for right in Permission.objects.filter(
        content_type__app_label__in=["approvals", "reviews"]
    )}  # fmt: skip
    seeing = ["view_any_ticket", "view_ticket", "view_approvalpolicy", "view_checkpoint"]
    roles["auditor"].permissions.set([rights[name] for name in seeing])
    managing = [*seeing, "add_accesskey", "view_delegation", "add_delegation"]
    roles["manager"].permissions.set([rights[name] for name in managing])
    return roles


def make_person(username: str, *, roles: list[Group] | None = None, **more: Any) -> User:
    """Make a person with a password (`PASSWORD`) and these roles."""
    given = {"email": f"{username}@example.org", "is_staff": True, **more}
    person = User(username=username, **given)
    person.set_password(PASSWORD)
    person.save()
    person.groups.set(roles or [])
    return person


def make_policy(
    slug: str = "general", question: dict[str, Any] | None = None, **safeguards: Any
) -> ApprovalPolicy:
    """Publish a policy; the question is the preset `review` unless given."""
    return publish_policy(
        slug=slug,
        name=slug.replace("-", " ").capitalize(),
        question=question or PRESETS["review"],
        by=None,
        now=db_now(),
        override_roles=["manager"],
        safeguards=safeguards,
    )


def make_checkpoint(slug: str, *, question: ApprovalPolicy, **more: Any) -> Checkpoint:
    """Make a checkpoint that asks this question."""
    given = {"title": slug.replace("-", " ").capitalize(), **more}
    return Checkpoint.objects.create(slug=slug, question=question, **given)


def make_region(slug: str, *people: User) -> Region:
    """Make a region with its people."""
    region = Region.objects.create(slug=slug, name=slug.upper())
    region.people.set(people)
    return region


def make_service_key(
    owner: User, *, name: str = "buyer", scopes: list[str] | None = None
) -> tuple[AccessKey, str]:
    """Make a service key its owner answers for; return it with its token."""
    return keys.create_key(
        name=name, kind=AccessKey.Kind.SERVICE, owner=owner, scopes=scopes, now=db_now()
    )


def personal_token(
    person: User, scopes: list[str] | None = None, expires_at: datetime | None = None
) -> str:
    """Make a personal token and return it."""
    _, token = keys.create_key(
        name=f"{person.username}'s",
        kind=AccessKey.Kind.PERSONAL,
        owner=person,
        scopes=scopes,
        expires_at=expires_at,
        now=db_now(),
    )
    return token


def make_cast() -> Cast:
    """Make everybody, the `general` checkpoint with its queue, and a service key."""
    roles = make_roles()
    people = {
        username: make_person(username, first_name=first, roles=[roles[name] for name in names])
        for username, (first, names) in PEOPLE.items()
    }
    queue = Queue.objects.create(slug="general", name="General")
    queue.roles.set([roles["reviewer"], roles["lead"]])
    general = make_checkpoint(
        "general",
        question=make_policy(),
        title="General review",
        presets=[name for name in PRESETS if name != "post-approval"],
    )
    key, token = make_service_key(people["max"])
    return Cast(**people, roles=roles, queue=queue, general=general, key=key, token=token)
