"""Checkpoints and their rules: when people are asked, and what they are shown."""

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin, StackedInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextareaWidget

from approvals.admin.plain_forms import IndentedJSONField
from approvals.presets import PRESETS
from reviews.models import Checkpoint, Rule


class PresetsField(forms.MultipleChoiceField):
    """Choose presets by name; they are stored as a list."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs = {
            key: kwargs[key] for key in ("required", "label", "help_text", "initial")
            if key in kwargs
        }  # fmt: skip
        super().__init__(
            choices=[(name, name.capitalize()) for name in PRESETS],
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            **kwargs,
        )


class CheckpointForm(forms.ModelForm):
    """A checkpoint; the schema typed here is the one its rules are checked against."""

    proposal_schema = IndentedJSONField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 12, "class": "font-mono"}),
        help_text="JSON Schema of a proposal. Empty: anything.",
    )
    view = IndentedJSONField(
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 8, "class": "font-mono"}),
        help_text='How a proposal is shown: {"fields": [{"name": …, "label": …}]}.',
    )
    presets = PresetsField(required=False, help_text="Presets a requester may name.")

    class Meta:
        model = Checkpoint
        fields = (
            *("title", "slug", "reference", "active", "otherwise", "question", "critical"),
            *("presets", "risk", "effect_sentence", "proposal_schema", "view"),
        )

    def clean_proposal_schema(self) -> Any:
        schema = self.cleaned_data["proposal_schema"] or {}
        if not isinstance(schema, dict):
            raise forms.ValidationError("A JSON Schema is an object; empty takes anything.")
        self.instance.proposal_schema = schema
        return schema

    def clean_view(self) -> Any:
        view = self.cleaned_data["view"] or {}
        if not isinstance(view, dict) or not isinstance(view.get("fields", []), list):
            raise forms.ValidationError(
                'Write for example {"fields": [{"name": "amount", "label": "Amount"}]}.'
            )
        return view


class RuleInline(StackedInline):
    """The rules of a checkpoint in their order; the first live one that holds wins."""

    model = Rule
    extra = 0
    ordering = ("position",)
    fields = (
        ("position", "name"),
        "when",
        ("then", "state"),
        ("priority", "risk"),
        ("question", "band"),
        ("legal_basis", "audit_sample"),
        "expires_at",
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "when" and field is not None:
            field.widget.attrs["rows"] = 2
        return field


@admin.register(Checkpoint)
class CheckpointAdmin(SimpleHistoryAdmin, ModelAdmin):
    """A named kind of decision, under five headings."""

    form = CheckpointForm
    list_display = ("title", "reference", "slug", "rules_in_force", "risk", "active")
    search_fields = ("title", "slug", "reference")
    inlines = (RuleInline,)
    fieldsets = (
        (None, {"fields": (("title", "slug"), ("reference", "active"))}),
        ("When", {"fields": ("otherwise",)}),
        ("Who", {"fields": ("question", ("critical", "risk"))}),
        ("What is shown", {"fields": ("effect_sentence", "proposal_schema", "view")}),
        ("What people may answer", {"fields": ("presets",)}),
    )

    @admin.display(description="rules in force")
    def rules_in_force(self, checkpoint: Checkpoint) -> int:
        return sum(rule.state == Rule.State.LIVE for rule in checkpoint.rules.all())

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("rules")

    def get_readonly_fields(self, request: HttpRequest, obj: Checkpoint | None = None) -> Any:
        # Programs name a checkpoint by its slug.
        return ("slug",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Checkpoint | None = None) -> bool:
        """Keep checkpoints: their tickets tell of them. One that is not wanted is made inactive."""
        return False
