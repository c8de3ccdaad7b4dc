"""Access keys: made through the service, shown once, revoked, never changed."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from approvals.admin.plain_forms import plain_page, report
from approvals.errors import Refusal
from approvals.models import AccessKey, User
from approvals.services.keys import create_key, revoke_key
from audit.admin import ReadOnlyAdmin
from audit.clock import db_now


class KeyForm(forms.Form):
    """What a new key needs; no scope is chosen beforehand."""

    name = forms.CharField(max_length=80, widget=UnfoldAdminTextInputWidget)
    kind = forms.ChoiceField(
        choices=[("", "Choose …"), *AccessKey.Kind.choices],
        widget=UnfoldAdminSelectWidget,
        help_text="A service key is a machine and never votes; a personal token acts as its owner.",
    )
    owner = forms.ModelChoiceField(
        User.objects.filter(kind=User.Kind.HUMAN, is_active=True).order_by("username"),
        widget=UnfoldAdminSelectWidget,
        help_text="Who answers for it, and may not vote on its tickets.",
    )
    scopes = forms.MultipleChoiceField(
        choices=AccessKey.Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    days = forms.IntegerField(
        label="Good for how many days",
        min_value=1,
        max_value=3650,
        initial=90,
        widget=UnfoldAdminIntegerFieldWidget,
    )

    def __init__(self, *args: Any, maker: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.maker = maker

    def clean(self) -> dict[str, Any]:
        """Refuse a token for somebody else: whoever holds it could vote in their name."""
        asked = super().clean() or {}
        personal = asked.get("kind") == AccessKey.Kind.PERSONAL
        if personal and asked.get("owner") not in (None, self.maker):
            self.add_error("owner", "A personal token is made by the person it belongs to.")
        return asked


@admin.register(AccessKey)
class AccessKeyAdmin(ReadOnlyAdmin):
    """How machines and scripts prove who they are."""

    list_display = ("name", "shown_prefix", "kind", "owner", "state", "last_used", "expires",
                    "scope_words")  # fmt: skip
    list_filter = ("kind",)
    list_select_related = ("owner",)
    search_fields = ("name", "prefix")
    ordering = ("-created_at",)
    fields = ("name", "shown_prefix", "kind", "state", "owner", "user", "scope_words", "created_at",
              "expires_at", "last_used_at", "revoked_at")  # fmt: skip
    readonly_fields = ("shown_prefix", "state", "scope_words")
    actions = ["revoke"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("approvals.change_accesskey"))

    @admin.display(description="key")
    def shown_prefix(self, key: AccessKey) -> str:
        return f"hitl_{key.prefix}…"

    @admin.display(description="scopes")
    def scope_words(self, key: AccessKey) -> str:
        return ", ".join(key.scopes)

    @admin.display(description="last used")
    def last_used(self, key: AccessKey) -> str:
        return f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"

    @admin.display(description="expires")
    def expires(self, key: AccessKey) -> str:
        return f"{key.expires_at:%Y-%m-%d}" if key.expires_at else "never"

    @admin.display(description="state")
    def state(self, key: AccessKey) -> str:
        if key.revoked_at:
            return "revoked"
        return "expired" if key.expires_at and key.expires_at <= db_now() else "good"

    @admin.action(description="Revoke", permissions=["revoke"])
    def revoke(self, request: HttpRequest, chosen: Any) -> None:
        """Make the chosen keys useless from now on."""
        assert isinstance(request.user, User)
        now = db_now()
        for key in chosen:
            revoke_key(key=key, by=request.user, now=now)
        self.message_user(request, "Revoked. Calls with it are refused from now on.")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Make a key through the service and show it once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        assert isinstance(request.user, User)
        maker = request.user
        form = KeyForm(request.POST or None, maker=maker, initial={"owner": maker.pk})
        if request.method == "POST" and form.is_valid():
            asked, now = form.cleaned_data, db_now()
            try:
                key, token = create_key(
                    name=asked["name"],
                    kind=asked["kind"],
                    owner=asked["owner"],
                    scopes=asked["scopes"],
                    expires_at=now + timedelta(days=asked["days"]),
                    now=now,
                    by=request.user,
                )
            except Refusal as refusal:
                report(form, refusal)
            else:
                return plain_page(
                    self, request, f"{key.name}: store it now",
                    lead="This is the only time the key is shown.",
                    secrets=[("Key", token), ("Signs its callbacks", key.callback_secret)],
                    sample=_sample(token, key),
                )  # fmt: skip
        return plain_page(self, request, "New access key", form=form, verb="Create key")


def _sample(token: str, key: AccessKey) -> str:
    if key.kind == AccessKey.Kind.PERSONAL:
        return f'curl {settings.BASE_URL}/api/v1/me \\\n  -H "Authorization: Bearer {token}"'
    return (
        f"curl {settings.BASE_URL}/api/v1/tickets \\\n"
        f'  -H "Authorization: Bearer {token}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        """  -d '{"title": "May I?", "proposal": {"amount": 900}}'"""
    )
