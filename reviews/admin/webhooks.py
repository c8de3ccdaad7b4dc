"""Webhooks: how each is doing, its last messages, a ping, its secret, and the way to stop it."""

import time
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

from approvals.admin.plain_forms import report
from approvals.errors import Refusal
from approvals.models import User
from audit.admin import ReadOnlyAdmin
from reviews.admin.deliveries import chip_of, may_replay
from reviews.admin.pages import person_of
from reviews.admin.settings_pages import SettingsAdmin
from reviews.endpoint_health import LAST, Health, health_of, last_deliveries
from reviews.models import Checkpoint, Delivery, WebhookEndpoint
from reviews.services import endpoints
from reviews.services.deliveries import deliver_again
from reviews.services.endpoints import EVENT_TYPES
from reviews.signatures import SHARED, SIGNINGS, public_key_of, signing_of

CHANGE = "reviews.change_webhookendpoint"
# So long the page that sent a ping waits for what becomes of it; then it says how to look again.
PING_SECONDS = 2.0
_CHIPS = {
    "works": {"word": "works", "tone": "", "icon": "done"},
    "failing": {"word": "failing", "tone": "bad", "icon": "overdue"},
    "unused": {"word": "nothing sent yet", "tone": "", "icon": "clock"},
    "disabled": {"word": "disabled", "tone": "warn", "icon": "pause"},
}


class EndpointForm(forms.Form):
    """What a webhook is."""

    name = forms.CharField(max_length=80, help_text="Who hears it, for example Ledger.")
    url = forms.CharField(
        label="Address", max_length=500, help_text="https://…, reachable from the internet."
    )
    checkpoint = forms.ModelChoiceField(
        Checkpoint.objects.order_by("title"), required=False, empty_label="All checkpoints"
    )
    types = forms.MultipleChoiceField(
        label="Events",
        required=False,
        choices=[(name, name) for name in EVENT_TYPES],
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: all of them.",
    )


class NewEndpointForm(EndpointForm):
    """The same when it is made; how it signs changes later together with its secret."""

    signing = forms.ChoiceField(
        label="Signed with",
        required=False,
        choices=list(SIGNINGS.items()),
        help_text="A key pair: its receiver holds a public key, with which nobody can forge.",
    )

    def clean_signing(self) -> str:
        """Return how it signs; a shared secret where nothing was chosen."""
        return self.cleaned_data["signing"] or SHARED


def chip_for(health: Health) -> dict[str, str]:
    """Return how an endpoint is doing: its word, its colour and its icon."""
    return _CHIPS[health.word]


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin, SettingsAdmin):
    """Addresses that hear of events. A secret is shown once, when it is made."""

    plural, singular = "Webhooks", "webhook"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show all of them, with how each is doing."""
        rows = []
        known = WebhookEndpoint.objects.select_related("checkpoint").order_by("-id")
        for endpoint in known[:200]:
            health = health_of(endpoint)
            rows.append((endpoint, health, chip_for(health)))
        context = {"rows": rows, "may_add": self.has_add_permission(request)}
        return self.page(request, "webhooks.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Make an endpoint and show its secret once."""
        form = NewEndpointForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                made = endpoints.create_endpoint(**form.cleaned_data, by=person_of(request))
            except Refusal as refusal:
                report(form, refusal)
            else:
                return self._shown_once(request, made)
        return self._form(request, form, title="New webhook", verb="Create webhook")

    def thing_page(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        """Show one with its last messages; `?edit` is the form that changes it."""
        may, banners = request.user.has_perm(CHANGE), []
        if (request.method == "POST" or "edit" in request.GET) and not may:
            raise PermissionDenied
        if "edit" in request.GET:
            return self._edit(request, endpoint)
        if request.method == "POST":
            try:
                return self._act(request, endpoint, person_of(request))
            except Refusal as refusal:
                banners = [refusal.detail]
                endpoint.refresh_from_db()
        return self._page(request, endpoint, may=may, banners=banners)

    def _page(
        self, request: HttpRequest, endpoint: WebhookEndpoint, *, may: bool, banners: list[str]
    ) -> HttpResponse:
        deliveries = last_deliveries(endpoint)
        health = health_of(endpoint, deliveries)
        for delivery in deliveries:
            delivery.endpoint = endpoint
        asked = request.GET.get("ping", "")
        context = {
            "endpoint": endpoint,
            "health": health,
            "chip": chip_for(health),
            "rows": [(one, chip_of(one), may and may_replay(one)) for one in deliveries],
            "ping": next((one for one in deliveries if str(one.pk) == asked), None),
            "may": may,
            "banners": banners,
            "last": LAST,
            **_signed(endpoint),
        }
        return self.page(request, "webhook.html", context, title=endpoint.name)

    def _act(self, request: HttpRequest, endpoint: WebhookEndpoint, by: User) -> HttpResponse:
        """Do what a button of the page asks for.

        :raises Refusal: where it cannot be done as things stand.
        """
        act, also = request.POST.get("act", ""), ""
        if act == "rotate":
            signing = request.POST.get("signing")
            known = signing if signing in SIGNINGS else None
            rotated = endpoints.rotate_secret(endpoint_id=endpoint.pk, signing=known, by=by)
            return self._shown_once(request, rotated, until=rotated.previous_secret_until)
        if act == "test":
            ping = endpoints.send_test(endpoint_id=endpoint.pk, by=by)
            _await(ping)
            also = f"?ping={ping.pk}"
        elif act == "disable":
            why = request.POST.get("why", "").replace("\x00", "").strip() or "Disabled by hand."
            endpoints.disable_endpoint(endpoint_id=endpoint.pk, why=why, by=by)
            messages.success(request, "Nothing is sent there any more.")
        elif act == "enable":
            endpoints.enable_endpoint(endpoint_id=endpoint.pk, by=by)
            messages.success(request, "It hears of what happens from now on.")
        elif act == "replay":
            mine = {str(one.pk): one for one in last_deliveries(endpoint)}
            found = mine.get(request.POST.get("delivery", ""))
            if found is None:
                raise Http404("There is no such delivery.")
            deliver_again(delivery_id=found.pk, by=by)
            messages.success(request, "It leaves again, under its old id.")
        return self.see(endpoint, also=also)

    def _edit(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        stands = {
            "name": endpoint.name,
            "url": endpoint.url,
            "checkpoint": endpoint.checkpoint_id,
            "types": endpoint.types,
        }
        form = EndpointForm(request.POST or None, initial=stands)
        if request.method == "POST" and form.is_valid():
            try:
                endpoints.change_endpoint(
                    endpoint_id=endpoint.pk, **form.cleaned_data, by=person_of(request)
                )
            except Refusal as refusal:
                report(form, refusal)
            else:
                messages.success(request, "Saved.")
                return self.see(endpoint)
        return self._form(request, form, title=f"Change {endpoint.name}", verb="Save")

    def _form(
        self, request: HttpRequest, form: EndpointForm, *, title: str, verb: str
    ) -> HttpResponse:
        return self.page(request, "webhook_form.html", {"form": form, "verb": verb}, title=title)

    def _shown_once(
        self, request: HttpRequest, endpoint: WebhookEndpoint, *, until: datetime | None = None
    ) -> HttpResponse:
        signed = _signed(endpoint)
        what = "its public key" if signed["public_key"] else "store it now"
        return self.page(
            request,
            "webhook_secret.html",
            {"endpoint": endpoint, "until": until, **signed},
            title=f"{endpoint.name}: {what}",
        )


def _signed(endpoint: WebhookEndpoint) -> dict[str, Any]:
    """Return how an endpoint signs, what it could choose, and its public key where it has one."""
    return {
        "signing": signing_of(endpoint.secret),
        "signings": SIGNINGS,
        "public_key": public_key_of(endpoint.secret),
    }


def _await(ping: Delivery) -> None:
    """Wait a moment for what becomes of a ping; a worker sends it, not this process."""
    until = time.monotonic() + PING_SECONDS
    while time.monotonic() < until:
        known = Delivery.objects.filter(pk=ping.pk).values_list("state", "last_error").get()
        if known != (Delivery.State.WAITING, ""):
            return
        time.sleep(0.1)
