"""Approval policies: published versions to look at, and one door to publish the next."""

import json
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin
from unfold.widgets import (
    UnfoldAdminSelectMultipleWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from approvals.admin.plain_forms import IndentedJSONField, plain_page, report
from approvals.errors import Refusal
from approvals.models import ApprovalPolicy, User
from approvals.presets import PRESETS
from approvals.services.policies import publish_policy, rendered
from audit.admin import ReadOnlyAdmin
from audit.clock import db_now


class PublishForm(forms.Form):
    """What the next version of a policy says."""

    slug = forms.SlugField(
        max_length=80,
        widget=UnfoldAdminTextInputWidget,
        help_text="The same slug as before makes the next version of that policy.",
    )
    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget)
    question = IndentedJSONField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 24, "class": "font-mono"}),
        help_text="Options, stages and timing. Who may vote are the roles that stages name.",
    )
    override_roles = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"),
        label="Roles that may replace decisions",
        required=False,
        widget=UnfoldAdminSelectMultipleWidget,
    )
    note = forms.CharField(
        label="Why this version exists",
        max_length=400,
        required=False,
        widget=UnfoldAdminTextInputWidget,
    )


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(SimpleHistoryAdmin, ReadOnlyAdmin):
    """Every published version. A version never changes; an edit is the next one."""

    list_display = ("name", "version", "slug", "asks", "published_by", "published_at")
    search_fields = ("name", "slug")
    ordering = ("slug", "-version")
    list_select_related = ("published_by",)
    fields = ("name", "slug", "version", "who_is_asked", "what_is_answered", "when", "note",
              "published_by", "published_at", "as_json")  # fmt: skip
    readonly_fields = ("who_is_asked", "what_is_answered", "when", "as_json")
    change_form_outer_before_template = "admin/policy_next.html"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("stages")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    @admin.display(description="asks")
    def asks(self, policy: ApprovalPolicy) -> str:
        return "; ".join(_needs(stage.needs) for stage in policy.stages.all())

    @admin.display(description="Who is asked")
    def who_is_asked(self, policy: ApprovalPolicy) -> str:
        rows = [
            (place, stage.name, _needs(stage.needs), stage.rejections)
            for place, stage in enumerate(policy.stages.all(), start=1)
        ]
        return format_html_join("", "<p>{}. {}: {}; rejected by {}</p>", rows)

    @admin.display(description="What may be answered")
    def what_is_answered(self, policy: ApprovalPolicy) -> str:
        rows = [
            (option["label"], option["effect"],
             ", needs a reason" if option["reason"] == "required" else "")
            for option in policy.options
        ]  # fmt: skip
        return format_html_join("", "<p>{} → {}{}</p>", rows) if rows else "What the agent offers."

    @admin.display(description="How long")
    def when(self, policy: ApprovalPolicy) -> str:
        timing = policy.timing
        return (
            f"due {timing['due'] or 'by priority'}, expires {timing['expires'] or 'by priority'}, "
            f"silence means {timing['silence'] or 'no answer'}, hold {timing['hold']}, "
            f"revocable {timing['revocable']}"
        )

    @admin.display(description="As JSON")
    def as_json(self, policy: ApprovalPolicy) -> str:
        return format_html("<pre>{}</pre>", json.dumps(rendered(policy), indent=2))

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Publish a version through the service, beginning from an earlier one (`?from=`)."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = PublishForm(request.POST or None, initial=self._beginning(request))
        if request.method == "POST" and form.is_valid():
            asked = form.cleaned_data
            assert isinstance(request.user, User)
            try:
                policy = publish_policy(
                    slug=asked["slug"],
                    name=asked["name"],
                    question=asked["question"],
                    note=asked["note"],
                    override_roles=[role.name for role in asked["override_roles"]],
                    by=request.user,
                    now=db_now(),
                )
            except Refusal as refusal:
                _beside_the_question(form, refusal)
            else:
                messages.success(request, f"{policy} is published. Checkpoints choose it by name.")
                place = reverse("admin:approvals_approvalpolicy_change", args=[policy.pk])
                return HttpResponseRedirect(place, status=303)
        return plain_page(self, request, "Publish a policy", form=form, verb="Publish")

    def _beginning(self, request: HttpRequest) -> dict[str, Any]:
        slug = request.GET.get("from", "").replace("\x00", "")
        latest = ApprovalPolicy.objects.filter(slug=slug).order_by("-version").first()
        question = rendered(latest) if latest else PRESETS["approval"]
        known = {"slug": latest.slug, "name": latest.name} if latest else {}
        return {**known, "question": question}


def _beside_the_question(form: PublishForm, refusal: Refusal) -> None:
    if not refusal.errors:
        report(form, refusal)
    for error in refusal.errors:
        form.add_error("question", f"{error.get('pointer') or '/'}: {error.get('message')}")


def _needs(needs: list[dict[str, Any]]) -> str:
    return " and ".join(f"{need['count']} of {need['role']}" for need in needs)
