"""What leaves: the addresses that hear of events, and every message sent to them."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from approvals.admin.plain_forms import plain_page, report
from approvals.errors import Refusal
from audit.admin import ReadOnlyAdmin
from audit.stamps import stamped
from reviews.admin.pages import person_of
from reviews.models import Checkpoint, Delivery, WebhookEndpoint
from reviews.services.endpoints import EVENT_TYPES, create_endpoint, disable_endpoint


class EndpointForm(forms.Form):
    """What a new webhook needs."""

    name = forms.CharField(max_length=80, widget=UnfoldAdminTextInputWidget)
    url = forms.CharField(label="URL", max_length=500, widget=UnfoldAdminTextInputWidget)
    checkpoint = forms.ModelChoiceField(
        Checkpoint.objects.all(),
        required=False,
        empty_label="All checkpoints",
        widget=UnfoldAdminSelectWidget,
    )
    types = forms.MultipleChoiceField(
        label="Events",
        required=False,
        choices=[(name, name) for name in EVENT_TYPES],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="None chosen: all of them.",
    )


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(ReadOnlyAdmin):
    """Addresses that hear of events. The secret is shown once, when it is made."""

    list_display = ("name", "url", "checkpoint", "created_by", "made", "state")
    made = stamped("created_at", "made")
    disabled = stamped("disabled_at", "disabled")
    list_select_related = ("checkpoint", "created_by")
    search_fields = ("name", "url")
    fields = ("name", "url", "types", "checkpoint", "created_by", "made", "disabled",
              "disabled_why")  # fmt: skip
    actions = ["disable"]

    @admin.display(description="state")
    def state(self, endpoint: WebhookEndpoint) -> str:
        return "disabled" if endpoint.disabled_at else "in use"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def has_disable_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("reviews.change_webhookendpoint"))

    @admin.action(description="Disable", permissions=["disable"])
    def disable(self, request: HttpRequest, chosen: Any) -> None:
        """Send nothing to the chosen endpoints any more."""
        for endpoint in chosen:
            disable_endpoint(
                endpoint_id=endpoint.pk, why="disabled at the desk", by=person_of(request)
            )
        self.message_user(request, "Nothing is sent there any more.")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Make an endpoint through the service and show its secret once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = EndpointForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            try:
                endpoint = create_endpoint(**form.cleaned_data, by=person_of(request))
            except Refusal as refusal:
                report(form, refusal)
            else:
                return plain_page(
                    self, request, "New webhook",
                    secrets=[("Secret", endpoint.secret)],
                    lead="It signs every message (Standard Webhooks). It is shown only now.",
                )  # fmt: skip
        return plain_page(self, request, "New webhook", form=form, verb="Create webhook")


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin):
    """Every message that leaves: waiting, sent, or parked after too many attempts."""

    made = stamped("created_at", "made")
    list_display = ("made", "type", "ticket", "channel", "target", "state", "attempts",
                    "last_status")  # fmt: skip
    list_filter = ("state", "channel")
    list_select_related = ("ticket",)
    search_fields = ("target__startswith",)
    ordering = ("-created_at",)
    sortable_by = ()
