"""The caller's keys."""

from datetime import timedelta
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.api.fields import Choice, Instant, StrictSerializer, Text
from approvals.api.schema import describe, sent
from approvals.api.views import MANAGE, READ, ApiView
from approvals.errors import Invalid, ScopeMissing
from approvals.models import AccessKey
from approvals.rows import the_one
from approvals.services.keys import create_key, revoke_key
from audit.clock import db_now

USUAL_LIFE = timedelta(days=90)
LONGEST_LIFE = timedelta(days=3650)


class KeyCreateRequest(StrictSerializer):
    """A new key. A personal token acts as you, a service key as a machine of its own."""

    name = Text(max_length=80)
    kind = Choice(AccessKey.Kind.values, default=AccessKey.Kind.PERSONAL)
    scopes = serializers.ListField(
        child=Choice(AccessKey.Scope.values), required=False, max_length=10
    )
    expires_at = Instant(required=False, allow_null=True)


class KeyAnswer(serializers.Serializer[Any]):
    """A key; its token is stored nowhere."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(AccessKey.Kind.values)
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class NewKeyAnswer(KeyAnswer):
    """A new key with its token, shown this once."""

    token = serializers.CharField()
    callback_secret = serializers.CharField(
        allow_null=True, help_text="Signs the callbacks of a service key's tickets."
    )


def key_members(key: AccessKey) -> dict[str, Any]:
    """Return a key as its owner sees it."""
    return dict(KeyAnswer(key).data)


class KeysPage(ApiView):
    """The caller's keys, and new ones."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a key that would make keys.

        :raises ScopeMissing: whatever the key carries.
        """
        super().initial(request, *args, **kwargs)
        if request.method == "POST" and self.key is not None:
            raise ScopeMissing("Keys cannot create keys; sign in at the desk.")

    @describe(
        "keys_list",
        "List my keys",
        tag="keys",
        lists=KeyAnswer,
    )
    def get(self, request: Request) -> Response:  # noqa: ARG002
        """Answer one page of the keys the caller answers for."""
        return self.page(AccessKey.objects.filter(owner=self.user), key_members)

    @describe(
        "keys_create",
        "Make a key",
        tag="keys",
        request=KeyCreateRequest,
        answers={201: NewKeyAnswer},
        examples=[sent("For a script", {"name": "nightly", "scopes": ["tickets:read"]})],
        description="From a session only: keys cannot create keys. The token is shown this once. "
        "Without `expires_at` it lasts 90 days, with null until it is revoked.",
    )
    def post(self, request: Request) -> Response:  # noqa: ARG002
        """Make a key the caller answers for."""
        given = self.given(KeyCreateRequest)
        if given["kind"] == AccessKey.Kind.SERVICE:
            self.need("approvals.add_accesskey")
        now = db_now()
        expires_at = given.get("expires_at", now + USUAL_LIFE)
        if expires_at is not None and not now < expires_at <= now + LONGEST_LIFE:
            message = "A key ends in the future, within ten years."
            raise Invalid.at("/expires_at", message)
        key, token = create_key(
            name=given["name"],
            kind=given["kind"],
            owner=self.user,
            scopes=given.get("scopes"),
            expires_at=expires_at,
            now=now,
            by=self.user,
        )
        service = key.kind == AccessKey.Kind.SERVICE
        secret = key.callback_secret if service else None
        body = {**key_members(key), "token": token, "callback_secret": secret}
        return Response(body, status=201)


class KeyPage(ApiView):
    """One of the caller's keys."""

    scopes: ClassVar[dict[str, str]] = {"GET": READ, "DELETE": MANAGE}

    @describe("keys_read", "Read one of my keys", tag="keys", answers={200: KeyAnswer})
    def get(self, request: Request, key_id: str) -> Response:  # noqa: ARG002
        """Answer one key."""
        return Response(key_members(self._own(key_id)))

    @describe(
        "keys_revoke",
        "Make a key useless",
        tag="keys",
        answers={204: None},
        description="At once. Revoking twice changes nothing.",
    )
    def delete(self, request: Request, key_id: str) -> Response:  # noqa: ARG002
        """Revoke one of the caller's keys."""
        revoke_key(key=self._own(key_id), by=self.user, now=db_now())
        return Response(status=204)

    def _own(self, key_id: str) -> AccessKey:
        return the_one(AccessKey.objects.filter(pk=key_id, owner=self.user))
