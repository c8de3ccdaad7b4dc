"""What the pages about one ticket share."""

import re
from collections.abc import Callable
from functools import partial
from hashlib import sha256

from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.throttles import whatever_was_sent
from approvals.api.views import ApiView
from approvals.errors import AlreadyDecided, Invalid, NotAllowed, TicketChanged, TooManyOpenings
from reviews.api.answers import Json, ticket_whole
from reviews.models import Ticket
from reviews.representation import decision_members, ticket_allowed
from reviews.services.idempotency import Reply, once
from reviews.services.lookup import find_ticket
from reviews.services.quotas import refuse_full
from reviews.services.sweeps import conclude_tickets

_VERSION = re.compile(r'\s*(?:W/)?"(\d{1,9})"\s*|\s*(\d{1,9})\s*')
_KEY = re.compile(r"[\x20-\x7e]{1,255}")


class TicketPage(ApiView):
    """One ticket, named by id, ref or the caller's own reference."""

    ticket: Ticket | None = None

    def found(self, identifier: str) -> Ticket:
        """Return the ticket, if the caller may see it.

        :raises NotVisible: otherwise.
        """
        self.ticket = find_ticket(identifier, user=self.user)
        return self.ticket

    def handle_exception(self, exc: Exception) -> Response:
        """Tell somebody who comes too late what was decided."""
        if isinstance(exc, AlreadyDecided) and self.ticket is not None:
            # The refusal undid whatever was due; do that alone, then say how it stands.
            conclude_tickets([self.ticket.pk])
            ticket = find_ticket(str(self.ticket.pk), user=self.user)
            exc.extra = {
                "decision": decision_members(ticket, ticket.decision),
                "ticket_status": ticket.status,
                "allowed": ticket_allowed(ticket, ticket.decision),
                **exc.extra,
            }
        return super().handle_exception(exc)

    def whole(self, ticket: Ticket, *, status: int = 200) -> Response:
        """Return the answer that is a ticket."""
        return with_version(Response(ticket_whole(ticket, self.user), status=status), ticket)

    def seen_version(self, given: Json) -> int | None:
        """Return the version the caller saw, from `If-Match` or the body; None for neither.

        :raises Refusal: Invalid where the two differ, TicketChanged for a tag that is not ours.
        """
        body: int | None = given.pop("version", None)
        header = self.request.headers.get("If-Match")
        if header is None:
            return body
        match = _VERSION.fullmatch(header)
        if match is None:
            raise TicketChanged('If-Match names no version; send one as its ETag has it, like "1".')
        version = int(match[1] or match[2])
        if body is not None and body != version:
            raise Invalid.at("/version", "If-Match names another version.")
        return version

    def only_requester(self, ticket: Ticket) -> None:
        """Refuse everybody but who opened the ticket.

        :raises NotAllowed: for anybody else.
        """
        if ticket.requester_id != self.user.pk:
            raise NotAllowed("Only who opened the ticket can do this.")

    def acted(self, identifier: str, act: Callable[[Ticket], Ticket]) -> Response:
        """Do something to a ticket once per `Idempotency-Key`, and answer it as it then stands."""
        ticket = self.found(identifier)
        return self.once(lambda: Reply(200, ticket_whole(act(ticket), self.user)))

    def once(self, do: Callable[[], Reply]) -> Response:
        """Do a call, or answer as it was answered before under the same `Idempotency-Key`."""
        return idempotently(self, do)


def refuse_flood(page: ApiView) -> None:
    """Refuse a key whose quota is used up before its body is read.

    A call under an `Idempotency-Key` may be one that was answered; that is looked up first.

    :raises Refusal: TooManyOpenings for such a key, Invalid for an `Idempotency-Key` that is none.
    """
    if sent_key(page.request) is not None or page.key is None:
        return
    try:
        refuse_full(page.key)
    except TooManyOpenings:
        whatever_was_sent(page.request)
        raise


def sent_key(request: Request) -> str | None:
    """Return the `Idempotency-Key` of a call, if it has one.

    :raises Invalid: for one that cannot be one.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        message = "Send 1 to 255 printable ASCII characters."
        raise Invalid(errors=[{"header": "Idempotency-Key", "message": message}])
    return key


def opening_once(page: ApiView, do: Callable[[], Reply]) -> Response:
    """Open tickets as `idempotently` does; for a key whose quota is used up, nothing is begun."""
    key = page.key
    return idempotently(page, do, first=None if key is None else partial(refuse_full, key))


def idempotently(
    page: ApiView, do: Callable[[], Reply], *, first: Callable[[], None] | None = None
) -> Response:
    """Do a call once per `Idempotency-Key`; without one, each time.

    :param first: what may refuse a call that was not answered before, outside any transaction.
    :raises Refusal: Invalid for a key that cannot be one, IdempotencyKeyReused.
    """
    request = page.request
    key = sent_key(request)
    if key is None:
        reply, replayed = do(), False
    else:
        asked = b"\n".join([str(request.method).encode(), request.path.encode(), b""])
        fingerprint = sha256(asked + request._request.body).hexdigest()  # noqa: SLF001
        reply, replayed = once(
            caller=page.user, key=key, fingerprint=fingerprint, do=do, first=first
        )
    answer = Response(reply.body, status=reply.status, headers=dict(reply.headers))
    if replayed:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer


def with_version(answer: Response, ticket: Ticket) -> Response:
    """Return the answer with the ticket's version as its ETag."""
    answer.headers["ETag"] = f'"{ticket.version}"'
    return answer
