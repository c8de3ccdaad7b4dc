"""Send one of a proposal's sample e-mails as a real mail, so that people see what they approve."""

import json
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings

from approvals.errors import Invalid, TooMany, WrongState
from approvals.models import User
from audit.models import AuditEvent
from reviews.display.views import sample_mails
from reviews.services import notices
from reviews.services.seats import check_open, check_person, check_works_on
from reviews.services.turns import turn_at

MOST_AN_HOUR = 5
_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sent:
    """What is on its way: the sample's own subject, and to how many people."""

    subject: str
    people: int


def send_test_mail(*, ticket_id: UUID, by: User, sample: int, only_me: bool) -> Sent:
    """Let one sample e-mail go out to who may approve the ticket, or only to who asks for it.

    Which field holds samples the checkpoint's view says. It leaves by the outbox like every mail.

    :param sample: its place, beginning with 1.
    :raises Refusal: Invalid where there is no such sample, TooMany after five in an hour,
        WrongState when mails are off or reach nobody; MachineCannotVote, NotVisible, Busy,
        AlreadyDecided, NotAllowed.
    """
    check_person(by, "send test mails")
    if not settings.MAIL_NOTICES:
        raise WrongState("This service is set up to send no mails.")
    with turn_at(ticket_id=ticket_id, actor=by) as turn:
        check_open(turn)
        check_works_on(turn, by)
        samples = sample_mails(
            json.loads(bytes(turn.decision.content)), turn.ticket.checkpoint.view
        )
        if not 1 <= sample <= len(samples):
            told = f"Choose 1 to {len(samples)}." if samples else "This ticket has no sample mails."
            raise Invalid.at("/sample", told, detail=told)
        sent = AuditEvent.objects.filter(
            stream=turn.ticket.stream, type=notices.TEST_MAIL, at__gt=turn.now - _WINDOW
        ).order_by("at")
        times = list(sent.values_list("at", flat=True)[:MOST_AN_HOUR])
        if len(times) == MOST_AN_HOUR:
            wait = int((times[0] + _WINDOW - turn.now).total_seconds()) + 1
            raise TooMany(
                f"{MOST_AN_HOUR} test mails an hour are sent per ticket; wait a little.",
                retry_after=wait,
            )
        fact = {"sample": sample, "person_id": by.pk if only_me else None}
        told_to = notices.recipients(
            ticket=turn.ticket,
            type=notices.TEST_MAIL,
            fact=fact,
            round=turn.ticket.round,
            now=turn.now,
        )
        if not told_to:
            raise WrongState("Nobody it would go to has an e-mail address here.")
        turn.story.add(
            notices.TEST_MAIL,
            data={**fact, "by": by.get_username(), "people": len(told_to)},
        )
    return Sent(samples[sample - 1].subject, len(told_to))
