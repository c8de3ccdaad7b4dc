"""D16: a bypass is always possible for the few, never silent, and not for machines or links."""

import io
import os
from collections import Counter
from contextlib import nullcontext
from itertools import cycle
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command

from approvals.errors import Busy, Refusal
from approvals.models import AccessKey, Bypass, Decision, User
from approvals.services.keys import create_key
from audit.clock import db_now, shifted
from audit.context import entering
from audit.models import AuditEvent
from reviews.flags import BYPASS_REVIEW
from reviews.models import Delivery, Ticket
from reviews.services.bypasses import end_bypass, start_bypass, sweep_bypasses
from reviews.services.ready import load_bypass_review
from reviews.services.votes import cast_vote
from tests.prove import web
from tests.prove.cast import Cast, cast, person
from tests.prove.crew import Hand
from tests.prove.letters import Reader, link_for
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

PASSWORD = "a password nobody guesses"
REASON = "The mail provider is down."


def starter(name: str) -> User:
    """Return somebody who may start a bypass and is told of none."""
    user = person(name, "emergency")
    role = user.groups.get()
    for codename in ("start_bypass", "view_bypass"):
        role.permissions.add(Permission.objects.get(codename=codename))
    User.objects.filter(pk=user.pk).update(is_staff=True)
    return User.objects.get(pk=user.pk)


# --- The ways in ----------------------------------------------------------------------------------
def by_service(_url: str, who: User, password: str, *, channel: str = "web") -> str:
    try:
        with entering(channel=channel):
            start_bypass(by=who, password=password, reason=REASON, duration="1h")
    except Refusal as refusal:
        return refusal.code
    return "taken"


def by_command(_url: str, who: User, password: str) -> str:
    from reviews.management.commands import bypass

    asked, bypass.getpass.getpass = bypass.getpass.getpass, lambda _prompt: password
    try:
        call_command(
            "bypass", user=who.username, duration="1h", reason=REASON, stdout=io.StringIO()
        )
    except CommandError as refused:
        return str(refused)
    finally:
        bypass.getpass.getpass = asked
    return "taken"


def by_token(url: str, who: User, password: str) -> str:
    scopes = [str(scope) for scope in AccessKey.Scope]
    return _posted(web.Client(url, web.token_of(who, scopes)), password)


def by_session(url: str, who: User, password: str) -> str:
    return _posted(web.Client(url, **web.session_of(who)), password)


def _posted(client: web.Client, password: str) -> str:
    body = {"duration": "1h", "reason": REASON, "password": password}
    status, answer, _ = client.call("POST", "/api/v1/bypasses", body)
    client.close()
    return "taken" if status == 201 else f"{status} {answer.get('code', '')}"


def by_desk(url: str, who: User, password: str) -> str:
    form = {"act": "start", "duration": "1h", "reason": REASON, "password": password}
    headers = web.session_of(who) | {"Content-Type": "application/x-www-form-urlencoded"}
    client = web.Client(url, **headers)
    status, _, _ = client.call("POST", "/admin/approvals/bypass/", urlencode(form).encode())
    client.close()
    return "taken" if status == 303 else str(status)


HERE = (by_service, by_command)
OVER_HTTP = (by_token, by_session, by_desk)


# --- What must hold -------------------------------------------------------------------------------
def uses(url: str, count: int) -> tuple[Counter[str], Cast]:
    """Start, use, end and review that many bypasses; return what failed of it."""
    people = cast(voters=1, listening=False)
    boss = person("boss", "manager")
    told = {boss.pk, person("lead", "lead").pk, person("auditor", "auditor").pk}
    found: Counter[str] = Counter()
    doors = cycle([*HERE, *(OVER_HTTP if url else ())])
    for number, door in zip(range(count), doors, strict=False):
        who = starter(f"starter-{number}")
        found["not_possible"] += door(url, who, PASSWORD) != "taken"
        bypass = Bypass.objects.filter(started_by=who).first()
        if bypass is None:
            continue
        ticket = people.open()
        found["asked_all_the_same"] += ticket.decision.by != Decision.By.BYPASS
        if number % 2:
            with entering(channel="web"):
                end_bypass(bypass_id=bypass.pk, by=who)
        else:
            with shifted(bypass.ends_at - db_now()), entering(channel="system"):
                sweep_bypasses()
        found += _reviewed(bypass, ticket, who, boss, told)
    return found, people


def _reviewed(
    bypass: Bypass, ticket: Ticket, who: User, boss: User, told: set[int]
) -> Counter[str]:
    found: Counter[str] = Counter()
    bypass.refresh_from_db()
    own = AuditEvent.objects.filter(stream=f"bypass:{bypass.pk}")
    for what in ("bypass.started", "bypass.ended"):
        found["events_missing"] += own.filter(type=what).count() != 1
        reached = Delivery.objects.filter(
            type=what, channel="announcement", body__bypass=str(bypass.pk)
        ).values_list("target", flat=True)
        found["notices_missing"] += sorted(reached) != sorted(str(pk) for pk in told)
    used = AuditEvent.objects.filter(stream=ticket.stream, type="bypass.used")
    found["events_missing"] += used.count() != 1
    review = Ticket.objects.filter(pk=bypass.review, checkpoint__slug=BYPASS_REVIEW).first()
    if review is None:
        found["reviews_missing"] += 1
        return found
    listed = [row["ref"] for row in review.proposal["tickets"]]
    found["passed_but_not_listed"] += listed != [ticket.label]
    found["started_before_the_review"] += by_service("", who, PASSWORD) == "taken"
    found["reviewed_their_own"] += _vote(review, who)
    found["reviews_missing"] += not _vote(review, boss)
    sweep_bypasses()
    found["events_missing"] += own.filter(type="bypass.reviewed").count() != 1
    return found


def _vote(review: Ticket, voter: User) -> bool:
    try:
        cast_vote(ticket_id=review.pk, voter=voter, choice="in_order", version=1)
    except Refusal:
        return False
    return True


def attempts(url: str, people: Cast, count: int) -> tuple[int, int, Counter[str]]:
    """Try it as machines, through links and without proof; return (accepted, tried, answers)."""
    answers: Counter[str] = Counter()
    standing = Bypass.objects.count()
    scopes = [str(scope) for scope in AccessKey.Scope]
    key, token = create_key(name="robot", kind="service", owner=people.owner, now=db_now())
    AccessKey.objects.filter(pk=key.pk).update(scopes=scopes)
    key.user.user_permissions.add(Permission.objects.get(codename="start_bypass"))
    machine = User.objects.get(pk=key.user.pk)
    tried = 0
    for number in range(count):
        who = starter(f"tempted-{number}")
        nobody = person(f"nobody-{number}")
        said = {
            "a machine": by_service(url, machine, PASSWORD, channel="api"),
            "by mail": by_service(url, who, PASSWORD, channel="mail"),
            "in chat": by_service(url, who, PASSWORD, channel="chat"),
            "without the right": by_service(url, nobody, PASSWORD),
            "without a password": by_service(url, who, ""),
            "with a wrong one": by_service(url, who, "guess"),
            "by command, wrong": by_command(url, who, "guess"),
        }
        if url:
            said |= {
                "a service key": _posted(web.Client(url, token), PASSWORD),
                "a session alone": by_session(url, who, ""),
                "the desk alone": by_desk(url, who, ""),
                "a token alone": by_token(url, who, ""),
                "a link": _through_a_link(url, people, who),
            }
        tried += len(said)
        answers.update(f"{name}: {answer}" for name, answer in said.items())
        # Somebody let in once would stand in the way of every further attempt.
        Bypass.objects.filter(started_by__in=[who, nobody, machine]).update(
            ended_at=db_now(), reviewed_at=db_now()
        )
    return Bypass.objects.count() - standing, tried, answers


def _through_a_link(url: str, people: Cast, who: User) -> str:
    _, token = link_for(people.open().pk, who)
    reader = Reader(url)
    reader.open(token)
    form = urlencode({"act": "start", "duration": "1h", "reason": REASON, "password": PASSWORD})
    said = []
    for path in ("/api/v1/bypasses", "/admin/approvals/bypass/", reader.page):
        status, _ = reader.call("POST", path, form.encode())
        said.append(str(status))
    reader.close()
    return " ".join(said)


# --- While it ends --------------------------------------------------------------------------------
def open_or_end(hand: Hand) -> None:
    """Open tickets while one hand ends the bypass in their midst."""
    bypass, slug, key_id, each = hand.parcel
    key = AccessKey.objects.select_related("user", "owner").get(pk=key_id)
    ender = Bypass.objects.get(pk=bypass).started_by
    people = Cast(ender, key, "", slug)
    hand.meet()
    for number in range(each):
        if hand.number == 0 and number == each // 2:
            for _ in range(20):
                try:
                    with entering(channel="web"):
                        end_bypass(bypass_id=UUID(bypass), by=ender)
                    break
                except Busy:
                    continue
        ticket = people.open()
        hand.note(ref=ticket.label, by=ticket.decision.by)


def ending(scene: Scene) -> tuple[int, int]:
    """End a bypass among openings; return (passed and not listed, passed)."""
    people = cast(voters=1, listening=False)
    ender = starter("ender")
    with entering(channel="web"):
        bypass = start_bypass(by=ender, password=PASSWORD, reason=REASON, duration="1h")
    hands, each = (8, scene.size(24, least=6)) if scene.processes else (3, 6)
    parcel = (str(bypass.pk), people.checkpoint, str(people.key.pk), each)
    ledger = scene.crew(open_or_end, hands=hands, parcel=parcel)
    bypass.refresh_from_db()
    review = Ticket.objects.get(pk=bypass.review)
    listed = {row["ref"] for row in review.proposal["tickets"]}
    passed = {line["ref"] for line in ledger if line["by"] == Decision.By.BYPASS}
    wrong = len(passed ^ listed) + (review.proposal["passed"] != len(passed))
    return wrong, len(passed)


def proof(scene: Scene) -> Figure:
    # For this process, and for the one it serves.
    settings.MAIL_NOTICES = True
    os.environ["PROVE_MAIL"] = "1"
    load_bypass_review()
    count = scene.size(100, least=2)
    with scene.served() if scene.processes else nullcontext("") as url:
        found, people = uses(url, count)
        Bypass.objects.filter(reviewed_at__isnull=True).update(reviewed_at=db_now())
        accepted, tried, answers = attempts(url, people, scene.size(20, least=1))
    lost, passed = ending(scene)
    found["passed_but_not_listed"] += lost
    names = (
        *("not_possible", "asked_all_the_same", "events_missing", "notices_missing"),
        *("reviews_missing", "started_before_the_review", "reviewed_their_own"),
        "passed_but_not_listed",
    )
    counted: dict[str, Any] = {name: found[name] for name in names}
    return figure(
        f"{count} uses, {tried} attempts of machines, links and without proof, "
        f"{passed} tickets passed around one end",
        details={"answers": dict(answers)},
        accepted=accepted,
        server_errors=sum(n for said, n in answers.items() if ": 5" in said),
        **counted,
    )


def run(scene: Scene) -> Figure:
    return proof(scene)


def control(scene: Scene) -> Figure:
    """Ask nobody who they are, and tell nobody."""
    scene.switch_off("break-glass")
    return proof(scene)


ROW = Row("D16", "A bypass is possible for the few, never silent, always reviewed", run, control)
