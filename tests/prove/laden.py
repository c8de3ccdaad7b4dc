"""Tickets that carry hostile texts in every place a program may write to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from approvals.models import User
from audit.clock import db_now
from audit.services import Actor, Draft, record
from reviews.models import Ticket
from reviews.services.comments import add_comment
from reviews.services.votes import cast_vote
from tests.prove.cast import Cast

EACH = 25
IN_A_MAIL = 14


@dataclass
class Laden:
    """One ticket with the texts it carries."""

    ticket: Ticket
    texts: Sequence[str]


def ticket_with(people: Cast, texts: Sequence[str]) -> Laden:
    """Open a ticket that carries 25 texts; two people have said something about it.

    The last text is the name of who remarked, so look at one ticket before the next is opened.
    """
    t = [*texts, *texts][:EACH]
    ticket = people.open(
        title=t[0][:200] or "-",
        summary=t[1][:500],
        impact=t[2][:400],
        proposal={
            t[3][:900]: t[4],
            "said": t[5],
            "list": [t[6], t[7]],
            "pairs": {t[8][:900]: t[9], "count": 1},
            "rows": [{"name": t[10], "note": t[11]}, {"name": "x", "note": "y"}],
            "deep": {"a": [{"b": t[12]}, [t[13]]]},
        },
        ai={
            "prediction": t[14],
            "model": t[15][:200],
            "reasoning": t[16],
            "confidence": 0.5,
            "features": [{"name": t[17][:200], "value": t[18], "importance": 0.4}],
            "options": [{"key": "a", "label": t[19][:200], "pros": [t[20]], "cons": [t[21]]}],
        },
    )
    speaking, voting = people.voters[1:3]
    _rename(speaking, t[24])
    speaking.refresh_from_db()
    add_comment(ticket_id=ticket.pk, author=speaking, text=t[22][:4000])
    cast_vote(ticket_id=ticket.pk, voter=voting, choice="approve", version=1, reason=t[23][:4000])
    return Laden(ticket, t)


def _rename(person: User, name: str) -> None:
    User.objects.filter(pk=person.pk).update(first_name=name[:150], last_name="")


def ticket_for_mail(people: Cast, texts: Sequence[str]) -> Laden:
    """Open a ticket whose mail shows 14 texts: title, summary, and six fields with their names."""
    t = [*texts, *texts][:IN_A_MAIL]
    proposal: dict[str, Any] = {t[n][:900] + " " * n: t[n + 1] for n in range(2, IN_A_MAIL, 2)}
    ticket = people.open(title=t[0][:200] or "-", summary=t[1][:500], proposal=proposal)
    return Laden(ticket, t)


def events_with(texts: Sequence[str]) -> tuple[str, str]:
    """Write events that carry each text as reason and name, and one that carries all of them.

    :returns: the name of their stream and the id of the last.
    """
    one = Draft("ticket.commented", db_now(), data=dict(enumerate_keys(texts)))
    stream = f"ticket:{one.id}"
    drafts = [
        Draft("ticket.commented", db_now(), Actor("1", "human", text[:150]), reason=text)
        for text in texts
    ]
    with transaction.atomic():
        record(stream, [*drafts, one])
    return stream, str(one.id)


def enumerate_keys(texts: Sequence[str]) -> list[tuple[str, str]]:
    """Return (name, text) with other texts as the names, so that both are shown."""
    return [(f"{n} {texts[n - 1][:300]}", text) for n, text in enumerate(texts)]
