"""D9: whose work it is may not vote on it: every identity, through every door."""

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from uuid import UUID, uuid4

from approvals.models import User, Vote
from approvals.services.delegations import start_delegation
from approvals.services.keys import create_key
from audit.clock import db_now
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket, resubmit_ticket
from tests.prove import doors
from tests.prove.cast import Cast, cast, person
from tests.prove.rows import Figure, Row, figure
from tests.prove.scene import Scene

Made = tuple[UUID, User]


def somebody() -> User:
    """Return a new reviewer whose mail address can be spelt in other ways."""
    tag = uuid4().hex[:8]
    return person(f"own-{tag}", "reviewer", email=f"own-{tag}@example.org")


def second_account(of: User) -> User:
    """Return another account of the same person: the same mailbox, spelt differently."""
    name, _, domain = of.email.partition("@")
    other = f"{name.upper()}+work@{domain.upper()}"
    return person(f"second-{uuid4().hex[:8]}", "reviewer", email=other)


def _opened_by(people: Cast, who: User) -> UUID:
    key, _ = create_key(name="mine", kind="personal", owner=who, now=db_now())
    request = TicketRequest(checkpoint=people.checkpoint, title="Mine", proposal={"amount": 1})
    return open_ticket(requester=who, key=key, request=request).pk


def _opened_by_key_of(people: Cast, who: User) -> UUID:
    key, _ = create_key(name="robot", kind="service", owner=who, now=db_now())
    request = TicketRequest(checkpoint=people.checkpoint, title="Its", proposal={"amount": 1})
    return open_ticket(requester=key.user, key=key, request=request).pk


def requester(people: Cast) -> Made:
    who = somebody()
    return _opened_by(people, who), who


def key_owner(people: Cast) -> Made:
    who = somebody()
    return _opened_by_key_of(people, who), who


def beneficiary_by_mail(people: Cast) -> Made:
    who = somebody()
    return people.open(on_behalf_of=who.email.upper()).pk, who


def beneficiary_by_name(people: Cast) -> Made:
    who = somebody()
    return people.open(on_behalf_of=who.username).pk, who


def editor(people: Cast) -> Made:
    who = somebody()
    ticket = people.open().pk
    # Only who answers for the key may edit; afterwards somebody else does, and the edit stays.
    key, owner = people.key, people.key.owner
    for keeper in (who, owner):
        key.owner = keeper
        key.save(update_fields=["owner"])
        if keeper == who:
            resubmit_ticket(ticket_id=ticket, requester=who, proposal={"amount": 2})
    return ticket, who


def editor_of_an_earlier_round(people: Cast) -> Made:
    ticket, who = editor(people)
    resubmit_ticket(ticket_id=ticket, requester=people.key.user, proposal={"amount": 3})
    return ticket, who


def second_account_of_requester(people: Cast) -> Made:
    who = somebody()
    second = second_account(who)
    return _opened_by(people, who), second


def second_account_of_key_owner(people: Cast) -> Made:
    who = somebody()
    second = second_account(who)
    return _opened_by_key_of(people, who), second


def second_account_of_beneficiary(people: Cast) -> Made:
    who = somebody()
    second = second_account(who)
    return people.open(on_behalf_of=who.email).pk, second


def second_account_made_later(people: Cast) -> Made:
    who = somebody()
    ticket = _opened_by(people, who)
    return ticket, second_account(who)


def lend(lender: User, delegate: User) -> None:
    """Let one person's votes be another's for a day."""
    end = db_now() + timedelta(days=1)
    start_delegation(lender=lender, delegate=delegate, ends_at=end, by=lender)


def delegate_of_requester(people: Cast) -> Made:
    author, who = somebody(), somebody()
    lend(author, who)
    return _opened_by(people, author), who


def delegate_of_requester_made_later(people: Cast) -> Made:
    author, who = somebody(), somebody()
    ticket = _opened_by(people, author)
    lend(author, who)
    return ticket, who


def delegate_of_key_owner(people: Cast) -> Made:
    author, who = somebody(), somebody()
    ticket = _opened_by_key_of(people, author)
    lend(author, who)
    return ticket, who


def delegate_of_beneficiary(people: Cast) -> Made:
    author, who = somebody(), somebody()
    lend(author, who)
    return people.open(on_behalf_of=author.email).pk, who


def delegate_of_editor(people: Cast) -> Made:
    ticket, author = editor(people)
    who = somebody()
    lend(author, who)
    return ticket, who


def second_account_of_delegate(people: Cast) -> Made:
    author, who = somebody(), somebody()
    ticket = _opened_by(people, author)
    lend(author, who)
    return ticket, second_account(who)


def requester_who_votes_for_another(people: Cast) -> Made:
    who = somebody()
    lend(somebody(), who)
    return _opened_by(people, who), who


def requester_for_whom_another_votes(people: Cast) -> Made:
    who = somebody()
    lend(who, somebody())
    return _opened_by(people, who), who


IDENTITIES: list[Callable[[Cast], Made]] = [
    *(requester, key_owner, beneficiary_by_mail, beneficiary_by_name),
    *(editor, editor_of_an_earlier_round),
    *(second_account_of_requester, second_account_of_key_owner, second_account_of_beneficiary),
    second_account_made_later,
    *(delegate_of_requester, delegate_of_requester_made_later, delegate_of_key_owner),
    *(delegate_of_beneficiary, delegate_of_editor, second_account_of_delegate),
    *(requester_who_votes_for_another, requester_for_whom_another_votes),
]


def matrix(scene: Scene) -> Figure:
    people = cast(voters=3, needed=2)
    used = doors.SERVICE_DOORS | (doors.WEB_DOORS if scene.processes else {})
    accepted: list[str] = []
    answers: Counter[str] = Counter()
    tried = 0
    with scene.served() if scene.processes else nullcontext("") as url:
        for identity in IDENTITIES:
            for name, door in used.items():
                ticket, who = identity(people)
                said = door(url, ticket, who)
                answers[f"{name}: {said}"] += 1
                tried += said != doors.NOT_THERE
                votes = Vote.objects.filter(decision__subject=ticket)
                if votes.filter(voter=who).exists() or votes.filter(principal=who).exists():
                    accepted.append(f"{identity.__name__} by {name}")
    there = {said.partition(":")[0] for said in answers if not said.endswith(doors.NOT_THERE)}
    return figure(
        f"{len(IDENTITIES)} identities × {len(there)} doors = {tried} attempts",
        details={"accepted": accepted, "answers": dict(answers)},
        accepted=len(accepted),
        server_errors=sum(n for said, n in answers.items() if ": 5" in said),
    )


def run(scene: Scene) -> Figure:
    return matrix(scene)


def control(scene: Scene) -> Figure:
    scene.switch_off("own-work")
    return matrix(scene)


ROW = Row("D9", "Nobody decides on their own work", run, control)
