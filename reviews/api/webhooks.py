"""Addresses that hear of events, and the log of what left for them."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.schema import describe, sent
from approvals.api.views import MANAGE, ApiView
from approvals.errors import Invalid, NotAllowed
from approvals.rows import the_one
from reviews.api.requests import NothingRequest
from reviews.api.webhook_shapes import (
    DeliveryAnswer,
    WebhookAnswer,
    WebhookChangeRequest,
    WebhookCreateRequest,
    WebhookRotateRequest,
    WebhookSecretAnswer,
)
from reviews.endpoint_health import health_of
from reviews.models import Checkpoint, Delivery, WebhookEndpoint
from reviews.representation import iso
from reviews.services.deliveries import deliver_again
from reviews.services.endpoints import (
    change_endpoint,
    create_endpoint,
    disable_endpoint,
    enable_endpoint,
    rotate_secret,
    send_test,
)
from reviews.signatures import public_key_of, signing_of

_VIEW = "reviews.view_webhookendpoint"
_ADD, _CHANGE = "reviews.add_webhookendpoint", "reviews.change_webhookendpoint"
_EVERY: dict[str, str] = {"GET": MANAGE, "POST": MANAGE, "PATCH": MANAGE, "DELETE": MANAGE}


def _known() -> QuerySet[WebhookEndpoint]:
    return WebhookEndpoint.objects.select_related("checkpoint", "created_by")


def _members(endpoint: WebhookEndpoint) -> dict[str, Any]:
    health = health_of(endpoint)
    return {
        "id": str(endpoint.pk),
        "name": endpoint.name,
        "url": endpoint.url,
        "types": endpoint.types,
        "checkpoint": endpoint.checkpoint.slug if endpoint.checkpoint else None,
        "signing": signing_of(endpoint.secret),
        "public_key": public_key_of(endpoint.secret) or None,
        "state": health.word,
        "parked": health.parked,
        "last_sent_at": iso(health.last_sent),
        "last_error": health.last_error or None,
        "created_at": iso(endpoint.created_at),
        "created_by": endpoint.created_by.get_username(),
        "disabled_at": iso(endpoint.disabled_at),
        "disabled_why": endpoint.disabled_why or None,
        "previous_secret_until": iso(endpoint.previous_secret_until),
    }


def _with_secret(endpoint: WebhookEndpoint, *, status: int = 200) -> Response:
    """Answer an endpoint with what its receiver needs; a private key is shown to nobody."""
    members = _members(endpoint)
    secret = None if members["public_key"] else endpoint.secret
    return Response({**members, "secret": secret}, status=status)


def _checkpoint(slug: str | None) -> Checkpoint | None:
    if slug is None:
        return None
    found = Checkpoint.objects.filter(slug=slug).first()
    if found is None:
        raise Invalid.at("/checkpoint", f"There is no checkpoint `{slug}`.")
    return found


class _Webhooks(ApiView):
    """What belongs to managers alone, by their own hand."""

    http_method_names = ["get", "head", "post", "patch", "delete"]
    scopes: ClassVar[dict[str, str]] = _EVERY
    rights: ClassVar[dict[str, str]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse machines, and people without the right, before anything is looked up.

        :raises NotAllowed: for both.
        """
        super().initial(request, *args, **kwargs)
        if self.user.is_machine:
            raise NotAllowed("A service key is a machine; people manage webhooks.")
        method = request.method or ""
        self.need(_VIEW if method in SAFE_METHODS else self.rights.get(method, _CHANGE))

    def found(self, webhook_id: str) -> WebhookEndpoint:
        """Return the endpoint of this id.

        :raises NotVisible: where there is none.
        """
        return the_one(_known().filter(pk=webhook_id))

    def whole(self, webhook_id: Any) -> Response:
        """Answer an endpoint as it stands now."""
        return Response(_members(self.found(webhook_id)))


class WebhooksPage(_Webhooks):
    """All of them, and new ones."""

    rights: ClassVar[dict[str, str]] = {"POST": _ADD}

    @describe(
        "webhooks_list",
        "List the webhooks",
        tag="webhooks",
        lists=WebhookAnswer,
        description="Newest first, those that are disabled as well. No secret is among it.",
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer one page."""
        return self.page(_known(), _members)

    @describe(
        "webhooks_create",
        "Add a webhook",
        tag="webhooks",
        request=WebhookCreateRequest,
        answers={201: WebhookSecretAnswer},
        examples=[
            sent("Everything", {"name": "Ledger", "url": "https://ledger.example.com/hooks"}),
            sent(
                "Decisions of one checkpoint",
                {
                    "name": "Buying",
                    "url": "https://buying.example.com/hooks",
                    "types": ["ticket.decided", "ticket.expired", "ticket.revoked"],
                    "checkpoint": "data-purchase",
                },
            ),
            sent(
                "With a key pair",
                {"name": "Partner", "url": "https://partner.example.com/hooks", "signing": "v1a"},
            ),
        ],
        description="`secret` signs every message (Standard Webhooks) and is shown this once. "
        "Under `v1a` there is none to keep: `public_key` verifies, and forges nothing.",
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Add one."""
        given = self.given(WebhookCreateRequest)
        endpoint = create_endpoint(
            name=given["name"],
            url=given["url"],
            types=given.get("types", []),
            checkpoint=_checkpoint(given.get("checkpoint")),
            signing=given["signing"],
            by=self.user,
        )
        return _with_secret(endpoint, status=201)


class WebhookPage(_Webhooks):
    """One of them."""

    @describe("webhooks_read", "Read a webhook", tag="webhooks", answers={200: WebhookAnswer})
    def get(self, request: Request, webhook_id: str) -> Response:  # noqa: ARG002
        """Answer it."""
        return self.whole(webhook_id)

    @describe(
        "webhooks_change",
        "Change a webhook",
        tag="webhooks",
        request=WebhookChangeRequest,
        answers={200: WebhookAnswer},
        examples=[sent("Another address", {"url": "https://new.example.com/hooks"})],
        description="What is left out stays. What waits goes to the address there is when it "
        "leaves.",
    )
    def patch(self, request: Request, webhook_id: str) -> Response:  # noqa: ARG002
        """Change it."""
        given, endpoint = self.given(WebhookChangeRequest), self.found(webhook_id)
        asked = "checkpoint" in given
        change_endpoint(
            endpoint_id=endpoint.pk,
            name=given.get("name", endpoint.name),
            url=given.get("url", endpoint.url),
            types=given.get("types", endpoint.types),
            checkpoint=_checkpoint(given["checkpoint"]) if asked else endpoint.checkpoint,
            by=self.user,
        )
        return self.whole(webhook_id)

    @describe(
        "webhooks_disable",
        "Disable a webhook",
        tag="webhooks",
        answers={200: WebhookAnswer},
        description="Nothing is sent there any more, and what waits is parked. It stays in the "
        "list, for its log.",
    )
    def delete(self, request: Request, webhook_id: str) -> Response:  # noqa: ARG002
        """Disable it."""
        disable_endpoint(
            endpoint_id=self.found(webhook_id).pk, why="Disabled by hand.", by=self.user
        )
        return self.whole(webhook_id)


class WebhookEnablePage(_Webhooks):
    """The way back."""

    @describe(
        "webhooks_enable",
        "Enable a webhook",
        tag="webhooks",
        request=NothingRequest,
        answers={200: WebhookAnswer},
        description="It hears of what happens from now on; what is parked stays parked.",
    )
    def post(self, request: Request, webhook_id: str) -> Response:  # noqa: ARG002
        """Enable it."""
        self.given(NothingRequest)
        enable_endpoint(endpoint_id=self.found(webhook_id).pk, by=self.user)
        return self.whole(webhook_id)


class WebhookTestPage(_Webhooks):
    """A ping."""

    @describe(
        "webhooks_test",
        "Send a ping",
        tag="webhooks",
        request=NothingRequest,
        answers={202: DeliveryAnswer},
        problems=[409],
        description="It leaves on the way of every message; read in `deliveries` what became of "
        "it.",
    )
    def post(self, request: Request, webhook_id: str) -> Response:  # noqa: ARG002
        """Let one leave."""
        self.given(NothingRequest)
        delivery = send_test(endpoint_id=self.found(webhook_id).pk, by=self.user)
        return Response(DeliveryAnswer(delivery).data, status=202)


class WebhookRotatePage(_Webhooks):
    """A new secret."""

    @describe(
        "webhooks_rotate_secret",
        "Give a webhook a new secret",
        tag="webhooks",
        request=WebhookRotateRequest,
        answers={200: WebhookSecretAnswer},
        examples=[sent("As before", {}), sent("A key pair from now on", {"signing": "v1a"})],
        description="Both secrets sign for 24 hours (`webhook-signature` carries both), so the "
        "receiver changes over without losing a message, also from one way to sign to the other.",
    )
    def post(self, request: Request, webhook_id: str) -> Response:  # noqa: ARG002
        """Rotate it."""
        given, endpoint = self.given(WebhookRotateRequest), self.found(webhook_id)
        rotate_secret(endpoint_id=endpoint.pk, signing=given.get("signing"), by=self.user)
        return _with_secret(self.found(webhook_id))


class DeliveriesPage(_Webhooks):
    """What left, and what could not."""

    @describe(
        "webhooks_deliveries",
        "List what left for a webhook",
        tag="webhooks",
        lists=DeliveryAnswer,
        description="Newest first. `parked`: ten attempts failed, or trying again is no use.",
    )
    def get(self, request: Request, webhook_id: str) -> Response:  # noqa: ARG002
        """Answer one page."""
        rows = Delivery.objects.filter(endpoint=self.found(webhook_id)).defer("body")
        return self.page(rows.prefetch_related("failures"), lambda row: DeliveryAnswer(row).data)


class ReplayPage(_Webhooks):
    """One of them, once more."""

    @describe(
        "webhooks_replay",
        "Send a message again",
        tag="webhooks",
        request=NothingRequest,
        answers={202: DeliveryAnswer},
        problems=[409],
        description="Parked or sent, under the id it always had. One that waits is refused.",
    )
    def post(self, request: Request, webhook_id: str, delivery_id: str) -> Response:  # noqa: ARG002
        """Let it leave again."""
        self.given(NothingRequest)
        rows = Delivery.objects.filter(endpoint=self.found(webhook_id), pk=delivery_id)
        delivery = deliver_again(delivery_id=the_one(rows).pk, by=self.user)
        return Response(DeliveryAnswer(delivery).data, status=202)
