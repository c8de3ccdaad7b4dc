"""A checkpoint and its rules as people fill them in."""

import json
from typing import Any

from django import forms
from django.db.models import Q
from django.forms import BaseInlineFormSet, inlineformset_factory

from approvals.models import ApprovalPolicy
from approvals.presets import PRESETS
from approvals.services.policies import newest_versions
from reviews.models import Checkpoint, Rule
from reviews.rules import RuleInvalid, check_rule

_SCHEMA = "JSON Schema of a proposal. Rules are checked against it. Empty takes anything."
_VIEW = (
    'Fields in their order: {"fields": [{"name": "amount", "label": "Amount"}]}. Empty: as sent. '
    '"blind": true keeps what the agent prefers from people until they have answered.'
)


class ReadableJSON(forms.JSONField):
    """Show JSON in a form people can read; nothing typed is an empty object."""

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return value
        return json.dumps(value, indent=2, ensure_ascii=False) if value else ""

    def clean(self, value: Any) -> Any:
        return super().clean(value) or {}


class CheckpointForm(forms.ModelForm):
    """Everything of a checkpoint but its rules; each field explains itself in one sentence."""

    proposal_schema = ReadableJSON(required=False, label="What a proposal holds", help_text=_SCHEMA)
    view = ReadableJSON(required=False, label="How it is shown", help_text=_VIEW)
    presets = forms.MultipleChoiceField(
        required=False,
        label="Ways of asking a requester may name",
        choices=[(name, name.capitalize()) for name in PRESETS],
        widget=forms.CheckboxSelectMultiple,
        help_text="Each has its own answers. None: only what “Who decides” says.",
    )

    class Meta:
        model = Checkpoint
        fields = (
            *("title", "slug", "reference", "active", "otherwise", "question", "critical"),
            *("risk", "effect_sentence", "proposal_schema", "view", "presets"),
        )
        labels = {
            "slug": "Name for programs",
            "reference": "Your own code",
            "active": "In use",
            "otherwise": "When no rule matches",
            "question": "Who decides",
            "effect_sentence": "What happens if approved",
        }
        help_texts = {
            "title": "What people call this kind of decision.",
            "slug": "Programs send it; it never changes.",
            "reference": "For example P1-021.",
            "active": "Off: programs can no longer open tickets here.",
            "otherwise": "Without a live rule a person is asked whatever this says.",
            "question": "The policy people are asked under, unless a rule names another.",
            "critical": "High risk, and at least two different people approve.",
            "risk": "High: no answer by mail link alone, and no many at once.",
            "effect_sentence": "Shown first. {amount} is replaced by the proposal’s value.",
        }
        widgets = {"effect_sentence": forms.Textarea(attrs={"rows": 2, "class": "prose"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["question"] = _policies(self.instance.question_id, required=True)
        self.fields["question"].label = "Who decides"
        self.fields["question"].help_text = self.Meta.help_texts["question"]
        if self.instance.slug:
            self.fields["slug"].disabled = True

    def clean_proposal_schema(self) -> Any:
        schema = self.cleaned_data["proposal_schema"]
        if not isinstance(schema, dict):
            raise forms.ValidationError("A JSON Schema is an object; empty takes anything.")
        return schema

    def clean_view(self) -> Any:
        view = self.cleaned_data["view"]
        if not isinstance(view, dict) or not isinstance(view.get("fields", []), list):
            raise forms.ValidationError(
                'Write for example {"fields": [{"name": "amount", "label": "Amount"}]}.'
            )
        if not isinstance(view.get("blind", False), bool):
            raise forms.ValidationError('"blind" is true or false.')
        return view


class RuleForm(forms.ModelForm):
    """One rule, checked against the schema typed on the same page."""

    class Meta:
        model = Rule
        fields = (
            *("name", "when", "then", "state", "question", "priority", "risk", "band"),
            *("legal_basis", "audit_sample", "expires_at"),
        )
        labels = {"question": "Decided by", "audit_sample": "Share looked at afterwards"}
        help_texts = {
            "when": "",
            "audit_sample": "Of what it lets pass, from 0 to 1.",
            "expires_at": "Only a rule that lets things pass may run out.",
            "legal_basis": "Shown with the decision.",
        }
        widgets = {
            "when": forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
            "expires_at": forms.DateTimeInput(attrs={"placeholder": "2026-12-31 18:00"}),
        }

    schema: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["question"] = _policies(self.instance.question_id, required=False)
        self.fields["question"].label = "Decided by"
        self.fields["priority"].required = self.fields["risk"].required = False
        self.fields["audit_sample"].required = False

    def clean_audit_sample(self) -> float:
        return self.cleaned_data.get("audit_sample") or 0

    def clean_when(self) -> str:
        when = self.cleaned_data["when"].replace("\r\n", "\n").strip()
        if self.schema is not None:
            try:
                check_rule(when, self.schema)
            except RuleInvalid as problem:
                raise forms.ValidationError([e["message"] for e in problem.errors]) from problem
        return str(when)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("expires_at") and found.get("then") != Rule.Then.ALLOW:
            self.add_error("expires_at", "Only a rule that lets things pass may run out.")
        return found

    def _post_clean(self) -> None:
        # The model's own check reads the stored schema; ours read the one typed beside it.
        self.instance.clean = lambda: None
        super()._post_clean()  # type: ignore[misc]


class RuleRows(BaseInlineFormSet):
    """The rules in the order of the page; `ORDER` moves one."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        order = form.fields["ORDER"]
        order.label, order.required = "Place", False

    def in_order(self) -> list[Rule]:
        """Return the rules as typed, without the removed ones, in their order."""
        kept = [form for form in self.forms if form.cleaned_data and not _gone(form)]
        places = {
            id(form): (form.cleaned_data.get("ORDER") or 10_000, place)
            for place, form in enumerate(self.forms)
            if form.cleaned_data
        }
        return [form.instance for form in sorted(kept, key=lambda form: places[id(form)])]

    def removed(self) -> list[Rule]:
        """Return the stored rules somebody took away."""
        gone = [form for form in self.initial_forms if form.cleaned_data and _gone(form)]
        return [form.instance for form in gone]


def _gone(form: Any) -> bool:
    return bool(form.cleaned_data.get("DELETE"))


RuleFormSet = inlineformset_factory(
    Checkpoint, Rule, form=RuleForm, formset=RuleRows, extra=0, can_order=True, max_num=100
)


def _policies(chosen: Any, *, required: bool) -> forms.ModelChoiceField:
    """Offer the newest version of each policy, and the one that stands."""
    wanted = Q(pk__in=newest_versions()) | Q(pk=chosen)
    return forms.ModelChoiceField(
        ApprovalPolicy.objects.filter(wanted).order_by("name", "-version"),
        required=required,
        empty_label="Choose …" if required else "As the checkpoint says",
    )
