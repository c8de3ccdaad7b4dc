"""Access keys: made through the service, shown once, renewed, revoked, never changed."""

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from approvals.admin.plain_forms import report
from approvals.errors import Refusal
from approvals.models import AccessKey, User
from approvals.services.keys import create_key, renew_key, revoke_key
from audit.admin import ReadOnlyAdmin
from audit.clock import db_now
from reviews.admin.pages import person_of
from reviews.admin.settings_pages import SettingsAdmin

CHANGE = "approvals.change_accesskey"
# Whoever used a key this lately would notice that it is gone; its name must be typed.
LATELY = timedelta(hours=24)


class KeyForm(forms.Form):
    """What a new key needs; no scope is chosen beforehand."""

    name = forms.CharField(max_length=80, help_text="What uses it, for example nightly-report.")
    kind = forms.ChoiceField(
        choices=[("", "Choose …"), *AccessKey.Kind.choices],
        help_text="A service key is a machine and never votes; a personal token acts as its owner.",
    )
    owner = forms.ModelChoiceField(
        User.objects.filter(kind=User.Kind.HUMAN, is_active=True).order_by("username"),
        help_text="Who answers for it, and may not vote on its tickets.",
    )
    scopes = forms.MultipleChoiceField(
        choices=AccessKey.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        label="What it may do",
    )
    days = forms.IntegerField(
        label="Good for how many days", min_value=1, max_value=3650, initial=90
    )
    networks = forms.CharField(
        label="Only from these addresses",
        required=False,
        max_length=400,
        help_text="Separated by commas, for example 192.0.2.0/24. Empty: from anywhere.",
    )

    def __init__(self, *args: Any, maker: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.maker = maker

    def clean_networks(self) -> list[str]:
        return [word.strip() for word in self.cleaned_data["networks"].split(",") if word.strip()]

    def clean(self) -> dict[str, Any]:
        """Refuse a token for somebody else: whoever holds it could vote in their name."""
        asked = super().clean() or {}
        personal = asked.get("kind") == AccessKey.Kind.PERSONAL
        if personal and asked.get("owner") not in (None, self.maker):
            self.add_error("owner", "A personal token is made by the person it belongs to.")
        return asked


@admin.register(AccessKey)
class AccessKeyAdmin(ReadOnlyAdmin, SettingsAdmin):
    """How machines and scripts prove who they are."""

    plural, singular = "Access keys", "key"
    search_fields = ("name__icontains", "prefix__startswith")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show every key, the newest first."""
        keys = AccessKey.objects.select_related("owner", "made_by").order_by("-id")
        keys, searched = self.sought(request, keys)
        everything = "all" in request.GET
        if not everything:
            keys = keys.filter(revoked_at=None)
        context = {
            "rows": [(key, state_of(key)) for key in keys[:300]],
            "searched": searched,
            "everything": everything,
            "may_add": self.has_add_permission(request),
        }
        return self.page(request, "keys.html", context)

    def thing_page(self, request: HttpRequest, key: AccessKey) -> HttpResponse:
        """Show one key; give it a new secret, or revoke it."""
        user, may = person_of(request), request.user.has_perm(CHANGE)
        now, banners = db_now(), []
        lately = key.last_used_at is not None and key.last_used_at > now - LATELY
        if request.method == "POST":
            if not may:
                raise PermissionDenied
            act = request.POST.get("act", "")
            if act == "revoke" and lately and request.POST.get("name", "").strip() != key.name:
                banners = [f"It was used in the last 24 hours. Type its name, {key.name}."]
            elif act == "revoke":
                revoke_key(key=key, by=user, now=now)
                messages.success(request, "Revoked. Calls with it are refused from now on.")
                return self.see(key)
            elif act == "renew":
                try:
                    renewed, token = renew_key(key=key, by=user, now=now)
                except Refusal as refusal:
                    banners = [refusal.detail]
                else:
                    return self._shown_once(request, renewed, token, renewed=True)
        context = {
            "key": key,
            "state": state_of(key),
            "scopes": [AccessKey.Scope(scope).label for scope in key.scopes],
            "may": may and key.revoked_at is None,
            "mine": key.kind == AccessKey.Kind.SERVICE or key.owner_id == user.pk,
            "lately": lately,
            "banners": banners,
        }
        return self.page(request, "key.html", context, title=key.name)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Make a key through the service and show it once."""
        maker = person_of(request)
        form = KeyForm(request.POST or None, maker=maker, initial={"owner": maker.pk})
        if request.method == "POST" and form.is_valid():
            asked, now = form.cleaned_data, db_now()
            try:
                key, token = create_key(
                    name=asked["name"],
                    kind=asked["kind"],
                    owner=asked["owner"],
                    scopes=asked["scopes"],
                    networks=asked["networks"],
                    expires_at=now + timedelta(days=asked["days"]),
                    now=now,
                    by=maker,
                )
            except Refusal as refusal:
                report(form, refusal)
            else:
                return self._shown_once(request, key, token)
        return self.page(request, "key_new.html", {"form": form}, title="New access key")

    def _shown_once(
        self, request: HttpRequest, key: AccessKey, token: str, *, renewed: bool = False
    ) -> HttpResponse:
        secrets = [("Key", token)]
        if key.kind == AccessKey.Kind.SERVICE and not renewed:
            secrets.append(("Signs its callbacks", key.callback_secret))
        context = {"key": key, "secrets": secrets, "sample": _sample(token, key),
                   "renewed": renewed}  # fmt: skip
        return self.page(request, "secret.html", context, title=f"{key.name}: store it now")


def state_of(key: AccessKey) -> dict[str, str]:
    """Return how a key stands: its word, its colour and its icon."""
    now = db_now()
    if key.revoked_at:
        return {"word": "revoked", "tone": "", "icon": "no"}
    if key.expires_at and key.expires_at <= now:
        return {"word": "expired", "tone": "bad", "icon": "overdue"}
    if key.expires_at and key.expires_at <= now + timedelta(days=14):
        return {"word": "expires soon", "tone": "warn", "icon": "soon"}
    return {"word": "works", "tone": "", "icon": "done"}


def _sample(token: str, key: AccessKey) -> str:
    if key.kind == AccessKey.Kind.PERSONAL:
        return f'curl {settings.BASE_URL}/api/v1/me \\\n  -H "Authorization: Bearer {token}"'
    return (
        f"curl {settings.BASE_URL}/api/v1/tickets \\\n"
        f'  -H "Authorization: Bearer {token}" \\\n'
        '  -H "Content-Type: application/json" \\\n'
        """  -d '{"title": "May I?", "proposal": {"amount": 900}}'"""
    )
