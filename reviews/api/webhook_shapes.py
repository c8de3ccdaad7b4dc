"""What calls about webhooks carry, and what they answer."""

from typing import Any

from rest_framework import serializers

from approvals.api.fields import Choice, StrictSerializer, Text
from reviews.models import Delivery
from reviews.signatures import SHARED, SIGNINGS


class _Types(serializers.ListField):
    child = Text(max_length=60)


class WebhookCreateRequest(StrictSerializer):
    """An address and what it wants to hear."""

    name = Text(max_length=80)
    url = Text(max_length=500, help_text="`https://…`, public, port 443 or 80.")
    types = _Types(required=False, max_length=60, help_text="Left out or empty: all events.")
    checkpoint = Text(
        max_length=60, required=False, allow_null=True, help_text="A slug; null: all of them."
    )
    signing = Choice(
        list(SIGNINGS),
        default=SHARED,
        help_text="`v1`: with a secret you share. `v1a`: with a key pair; you hold the public key.",
    )


class WebhookChangeRequest(WebhookCreateRequest):
    """What shall be different; what is left out stays."""

    name = Text(max_length=80, required=False)
    url = Text(max_length=500, required=False)
    signing: Any = None  # it changes together with the secret


class WebhookRotateRequest(StrictSerializer):
    """How the new secret signs."""

    signing = Choice(list(SIGNINGS), required=False, help_text="Left out: as the one before.")


class WebhookAnswer(serializers.Serializer[Any]):
    """An address that hears of events."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    url = serializers.CharField()
    types = serializers.ListField(child=serializers.CharField(), help_text="Empty: all.")
    checkpoint = serializers.CharField(allow_null=True)
    signing = serializers.ChoiceField(list(SIGNINGS))
    public_key = serializers.CharField(
        allow_null=True, help_text="`whpk_…`, what verifies `v1a`; null under `v1`."
    )
    state = serializers.CharField(help_text="`works`, `failing`, `unused` or `disabled`.")
    parked = serializers.IntegerField(help_text="How many of its last 50 messages are parked.")
    last_sent_at = serializers.DateTimeField(allow_null=True)
    last_error = serializers.CharField(allow_null=True, help_text="While it fails: why.")
    created_at = serializers.DateTimeField()
    created_by = serializers.CharField()
    disabled_at = serializers.DateTimeField(allow_null=True)
    disabled_why = serializers.CharField(allow_null=True)
    previous_secret_until = serializers.DateTimeField(
        allow_null=True, help_text="Until then the secret before signs as well."
    )


class WebhookSecretAnswer(WebhookAnswer):
    """The same with its secret, shown this once."""

    secret = serializers.CharField(
        allow_null=True,
        help_text="`whsec_…`, of Standard Webhooks; null under `v1a`: `public_key` verifies.",
    )


class FailedAttemptAnswer(serializers.Serializer[Any]):
    """Why one attempt failed."""

    number = serializers.IntegerField()
    at = serializers.DateTimeField()
    status = serializers.IntegerField(allow_null=True, help_text="What the receiver answered.")
    error = serializers.CharField()
    milliseconds = serializers.IntegerField()


class DeliveryAnswer(serializers.Serializer[Any]):
    """One message to one address. Its id is the `webhook-id`, however often it is sent."""

    id = serializers.UUIDField()
    event_id = serializers.UUIDField()
    type = serializers.CharField()
    ticket = serializers.UUIDField(source="ticket_id", allow_null=True)
    state = serializers.ChoiceField(Delivery.State.values)
    attempts = serializers.IntegerField()
    last_status = serializers.IntegerField(allow_null=True)
    last_error = serializers.CharField()
    created_at = serializers.DateTimeField()
    next_attempt_at = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    failures = FailedAttemptAnswer(many=True)
