"""Fill in what a newcomer finds: people, regions, keys and tickets, told in one private file.

Run again it keeps what is there, and tops up the tickets that wait: a queue is never found expired.
"""

import json
import os
import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group

from approvals.errors import Refusal
from approvals.models import AccessKey, User
from approvals.services.keys import create_key, find_key, is_good
from audit.clock import db_now
from reviews.models import Region, Ticket
from reviews.ready.demo import KEY_NAME, MAIL_DOMAIN, PEOPLE, REGIONS, SAMPLES, Person, Sample
from reviews.services.ready import load_ready
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket
from reviews.services.votes import cast_vote

FILE = "demo.json"
# A waiting sample that ends sooner than this gets a fresh one beside it.
FRESH_FOR = timedelta(hours=6)
_SOUNDS = ("bcdfghklmnprstvz", "aeiou")


class NotADemo(Exception):
    """Why this database is not one to fill with demo people."""


@dataclass
class Demo:
    """What `demo.json` says, and how many tickets were opened this time."""

    url: str
    service_key: str
    people: list[dict[str, Any]] = field(default_factory=list)
    opened: int = 0


def seed_demo(*, folder: Path | None = None) -> Demo:
    """Make or complete the demo and write its file; return what the file says.

    :raises NotADemo: when somebody real bears the name of one of its people.
    """
    path = (folder or settings.HITL_DATA_DIR) / FILE
    before = _read(path)
    _refuse_real_people()
    load_ready()
    known = {person["username"]: person for person in before.get("people", [])}
    people = [_make_person(person, known.get(person.username, {})) for person in PEOPLE]
    users = {user.username: user for user, _ in people}
    _make_regions(users)
    key, token = _service_key(before.get("service_key", ""), owner=users[PEOPLE[0].username])
    demo = Demo(settings.BASE_URL, token, [told for _, told in people])
    # First the file: should anything below fail, the logins are not lost.
    _write(path, {"url": demo.url, "service_key": demo.service_key, "people": demo.people})
    for sample in SAMPLES:
        demo.opened += _top_up(sample, key=key, users=users)
    return demo


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        people = found["people"] if isinstance(found, dict) else None
        named = isinstance(people, list) and all("username" in person for person in people)
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if named else {}


def _write(path: Path, content: dict[str, Any]) -> None:
    """Replace the file in one step; it holds passwords, so it is private from its first byte."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
        json.dump(content, out, indent=2)
        out.write("\n")
    draft.replace(path)


def _refuse_real_people() -> None:
    names = [person.username for person in PEOPLE]
    real = User.objects.filter(username__in=names).exclude(email__endswith=f"@{MAIL_DOMAIN}")
    if found := real.first():
        raise NotADemo(f"{found.username} is somebody real here, so no demo is made of this data.")


def _make_person(person: Person, told: dict[str, Any]) -> tuple[User, dict[str, Any]]:
    user = User.objects.filter(username=person.username).first()
    password = str(told.get("password", ""))
    if user is None:
        user = User(
            username=person.username,
            first_name=person.first_name,
            last_name=person.last_name,
            email=person.email,
            is_staff=bool(person.roles),
            is_superuser=person.superuser,
            domains=list(person.domains),
            manager=User.objects.filter(username=person.manager).first(),
        )
        password = ""
    if not password:
        password = _password()
        user.set_password(password)
        user.save()
        user.groups.set(Group.objects.filter(name__in=person.roles))
    return user, {
        "username": person.username,
        "password": password,
        "token": _personal_token(user, str(told.get("token", ""))),
        "roles": list(person.roles),
        "regions": list(person.regions),
    }


def _password() -> str:
    """Return four words nobody uses, easy to read out: about 50 random bits."""
    consonants, vowels = _SOUNDS
    words = (
        "".join(secrets.choice(sounds) for sounds in (consonants, vowels, consonants, vowels))
        for _ in range(4)
    )
    return "-".join(words)


def _personal_token(user: User, token: str) -> str:
    now = db_now()
    key = find_key(token)
    if key is not None and key.user_id == user.pk and is_good(key, now=now):
        return token
    _, fresh = create_key(
        name="Demo token",
        kind=AccessKey.Kind.PERSONAL,
        owner=user,
        scopes=AccessKey.Scope.values,
        now=now,
    )
    return fresh


def _service_key(token: str, *, owner: User) -> tuple[AccessKey, str]:
    now = db_now()
    key = find_key(token)
    if key is not None and key.kind == AccessKey.Kind.SERVICE and is_good(key, now=now):
        return key, token
    return create_key(name=KEY_NAME, kind=AccessKey.Kind.SERVICE, owner=owner, now=now)


def _make_regions(users: dict[str, User]) -> None:
    for name in REGIONS:
        region, made = Region.objects.get_or_create(name=name, defaults={"slug": name})
        if made:
            region.people.set(users[p.username] for p in PEOPLE if name in p.regions)


def _top_up(sample: Sample, *, key: AccessKey, users: dict[str, User]) -> int:
    """Open a sample that lacks; return how many tickets that made."""
    ours = Ticket.objects.filter(access_key__name=KEY_NAME, access_key__owner=key.owner)
    same = rf"^{sample.reference}(-[0-9]+)?$"
    standing = ours.filter(reference__regex=same)
    count = standing.count()
    if sample.waits:
        standing = standing.waiting().filter(expires_at__gt=db_now() + FRESH_FOR)
    if standing.exists():
        return 0
    reference = f"{sample.reference}-{count + 1}" if count else sample.reference
    ticket = open_ticket(
        requester=key.user, key=key, request=TicketRequest(**sample.request, reference=reference)
    )
    for answer in sample.answers:
        try:
            cast_vote(
                ticket_id=ticket.pk,
                voter=users[answer.voter],
                choice=answer.choice,
                version=ticket.version,
                reason=answer.reason,
                response=answer.response,
                amendments=answer.amendments,
                confirmed="now",
            )
        except Refusal:
            # Managers may have changed who is asked; then the sample just waits.
            break
    return 1
