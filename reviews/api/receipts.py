"""The signed statement of a decision, its stamp, and the story behind it."""

from typing import ClassVar

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.schema import IDEMPOTENCY_KEY, describe, sent
from approvals.api.views import READ, RECEIPT
from approvals.errors import NotAllowed
from approvals.models import Receipt
from audit.models import AuditEvent
from reviews.api import answers, shapes
from reviews.api.base import TicketPage
from reviews.api.requests import ReceiptConsumeRequest, ReceiptResultRequest
from reviews.models import Ticket
from reviews.representation import iso
from reviews.services import receipts
from reviews.services.idempotency import Reply

_BODY = PolymorphicProxySerializer(
    "ReceiptRequest",
    serializers=[ReceiptConsumeRequest, ReceiptResultRequest],
    resource_type_field_name=None,
)


class ReceiptPage(TicketPage):
    """The proof that something was approved, usable once."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "POST": RECEIPT}

    @describe(
        "receipts_read",
        "Read the signed statement",
        tag="receipts",
        answers={200: shapes.ReceiptAnswer},
        problems=[409],
    )
    def get(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Answer the statement of a final decision, also of one that says no."""
        return Response({"receipt": receipts.signed_receipt(self.found(identifier))})

    @describe(
        "receipts_stamp",
        "Use an approval up, or record how the execution went",
        tag="receipts",
        request=_BODY,
        answers={201: shapes.ConsumedAnswer, 200: shapes.ConsumedAnswer},
        problems=[409],
        parameters=[IDEMPOTENCY_KEY],
        examples=[
            sent("Before execution", {"nonce": "7f3a9c0e", "digest": "5e" * 32}),
            sent(
                "After execution",
                {"consumption_id": "0198c2a0-1111-7000-8000-000000000000", "result": "applied"},
            ),
        ],
        description="First `{nonce, digest}`, where `digest` is the approved `action_digest`; "
        "only the first stamp succeeds. Then `{consumption_id, result}`.",
    )
    def post(self, request: Request, identifier: str) -> Response:
        """Stamp the receipt, or note the result."""
        recording = isinstance(request.data, dict) and "consumption_id" in request.data
        given = self.given(ReceiptResultRequest if recording else ReceiptConsumeRequest)
        ticket = self.found(identifier)
        self.only_requester(ticket)
        key = self.key
        if key is None:
            raise NotAllowed("Receipts are stamped with a key.")

        def consume() -> Reply:
            stamped = receipts.consume_receipt(ticket_id=ticket.pk, key=key, **given)
            return Reply(201, stamp(stamped, ticket))

        def record() -> Reply:
            noted = receipts.record_result(
                ticket_id=ticket.pk,
                key=key,
                consumption_id=str(given["consumption_id"]),
                result=given["result"],
                detail=given.get("detail"),
            )
            return Reply(200, {**stamp(noted, ticket), "next": _next_step(ticket)})

        return self.once(record if recording else consume)


def _next_step(ticket: Ticket) -> str | None:
    """Return the id of the ticket that asks about the next step of a rollout, where one does."""
    found = ticket.next.filter(second_look="").values_list("pk", flat=True).first()
    return None if found is None else str(found)


def stamp(receipt: Receipt, ticket: Ticket) -> answers.Json:
    """Return the stamp of a ticket's receipt."""
    return {
        "consumption_id": str(receipt.pk),
        "ticket_id": str(ticket.pk),
        "action_digest": receipt.digest,
        "consumed_at": iso(receipt.consumed_at),
        "result": receipt.result or None,
        "recorded_at": iso(receipt.recorded_at),
    }


class EventsPage(TicketPage):
    """The hash-chained story of a ticket."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}
    ordering = "seq"

    @describe(
        "events_list",
        "Read a ticket's story",
        tag="tickets",
        lists=shapes.EventAnswer,
        description="Oldest first. Each fact holds the hash of the one before.",
    )
    def get(self, request: Request, identifier: str) -> Response:  # noqa: ARG002
        """Answer one page of the story."""
        story = AuditEvent.objects.filter(stream=self.found(identifier).stream)
        return self.page(story, answers.EVENT)
