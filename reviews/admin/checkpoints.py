"""Checkpoints and their rules: when people are asked, and what they are shown."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from simple_history.admin import SimpleHistoryAdmin

from approvals.services.policies import findings_of, rendered
from approvals.spoken import spoken_fields, spoken_needs
from audit.clock import db_now
from reviews.admin.drawn_rules import band_fields, draw_rules
from reviews.admin.pages import person_of
from reviews.admin.samples import made_up_sample, request_of_form
from reviews.admin.settings_pages import SettingsAdmin, confirmed, proof_of, typed
from reviews.forms.checkpoint_form import CheckpointForm, RuleFormSet
from reviews.models import Checkpoint, Region, Rule
from reviews.ready.rules import TEMPLATES
from reviews.rules import RuleInvalid, check_rule
from reviews.services.checkpoints import Change, change_of, save_checkpoint
from reviews.services.managers import CHANGE_CHECKPOINT, other_managers
from reviews.services.simulations import simulate
from reviews.services.trials import try_sample
from reviews.sla import PRIORITIES


@dataclass(slots=True)
class Edit:
    """A checkpoint with its rules on the way through a form; `title` is the one that stands."""

    checkpoint: Checkpoint
    new: bool
    title: str
    form: CheckpointForm
    rules: Any
    change: Change | None = None
    banners: list[str] = field(default_factory=list)
    drawn: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, checkpoint: Checkpoint, sent: QueryDict | None = None) -> "Edit":
        """Return what was sent, or what stands where nothing was."""
        new, title = not checkpoint.slug, checkpoint.title
        form = CheckpointForm(sent, instance=checkpoint)
        rules = RuleFormSet(sent, instance=checkpoint, prefix="rules")
        return cls(checkpoint, new, title, form, rules)

    def is_whole(self) -> bool:
        """Tell whether all can be read; rules are checked against the schema typed beside them."""
        whole = self.form.is_valid()
        for row in self.rules.forms:
            row.schema = self.form.cleaned_data.get("proposal_schema", {}) if whole else None
        return bool(self.rules.is_valid() and whole)

    def draw(self, sent: Mapping[str, Any], told: str) -> None:
        """Note that rows were asked for, and why not; what is still empty is no mistake yet."""
        self.drawn = sent
        self.banners = [told] if told else []
        for form in (self.form, *self.rules.forms):
            form.errors.clear()

    def disable(self) -> None:
        """Let it be looked at alone."""
        for form in (self.form, *self.rules):
            for each in form.fields.values():
                each.disabled = True


@admin.register(Checkpoint)
class CheckpointAdmin(SimpleHistoryAdmin, SettingsAdmin):
    """A named kind of decision, under five headings."""

    plural, singular = "Checkpoints", "checkpoint"
    search_fields = ("title__icontains", "slug__icontains")
    besides = {
        "<uuid:pk>/try/": "try",
        "<uuid:pk>/simulate/": "simulate",
        "check-rule/": "check",
    }

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show every checkpoint: when it asks, and whom."""
        found, searched = self.sought(request, Checkpoint.objects.select_related("question"))
        rows = [
            {
                "checkpoint": checkpoint,
                "live": [r for r in checkpoint.rules.all() if r.state == Rule.State.LIVE],
                "asks": [spoken_needs(s.needs) for s in checkpoint.question.stages.all()],
            }
            for checkpoint in found.prefetch_related("rules", "question__stages")
        ]
        context = {"rows": rows, "searched": searched, "may_add": self.has_add_permission(request)}
        return self.page(request, "checkpoints.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Make a checkpoint: a name and who decides are enough."""
        return self._edit(request, Checkpoint())

    def thing_page(self, request: HttpRequest, checkpoint: Checkpoint) -> HttpResponse:
        """Show a checkpoint in its five sections; managers change it here."""
        return self._edit(request, checkpoint)

    def _edit(self, request: HttpRequest, checkpoint: Checkpoint) -> HttpResponse:
        may = not checkpoint.slug or self.has_change_permission(request, checkpoint)
        if request.method != "POST":
            return self._page(request, Edit.of(checkpoint), may=may)
        if not may:
            raise PermissionDenied
        if request.POST.get("go", "save") != "save":
            sent = request.POST.copy()
            told = draw_rules(sent, checkpoint, by=person_of(request), now=db_now())
            edit = Edit.of(checkpoint, sent)
            edit.draw(sent, told)
            return self._page(request, edit)
        edit = Edit.of(checkpoint, request.POST)
        if not edit.is_whole():
            banner = "Nothing is saved yet: something is missing or not right, see below."
            return self._page(request, edit, banners=[banner])
        return self._save(request, edit)

    def _save(self, request: HttpRequest, edit: Edit) -> HttpResponse:
        user, saved, ordered = (
            person_of(request),
            edit.form.save(commit=False),
            edit.rules.in_order(),
        )
        standing = None if edit.new else Checkpoint.objects.get(pk=saved.pk)
        old = list(standing.rules.select_related("question")) if standing else []
        change = change_of(before=standing, rules_before=old, after=saved, rules_after=ordered)
        edit.change = change
        if change.loosens:
            if not (request.POST.get("password") or request.POST.get("code")):
                return self._page(request, edit)
            if wrong := confirmed(request, user):
                return self._page(request, edit, banners=wrong)
        shown = set(change.loosens)
        done = save_checkpoint(
            checkpoint=saved,
            rules=ordered,
            removed=edit.rules.removed(),
            by=user,
            now=db_now(),
            agreed=lambda real: set(real.loosens) <= shown,
        )
        if done is None:
            banner = "Somebody else saved it meanwhile; look at what changes again."
            return self._page(request, edit, banners=[banner])
        count = len(done.differences)
        told = f"{count} change{'s' * (count != 1)} saved." if count else "Nothing differed."
        messages.success(request, f"{saved.title} is made." if edit.new else told)
        return self.see(saved)

    def _page(
        self, request: HttpRequest, edit: Edit, *, may: bool = True, banners: Sequence[str] = ()
    ) -> HttpResponse:
        user, change = person_of(request), edit.change
        if not may:
            edit.disable()
        question = None if edit.new else rendered(edit.checkpoint.question)
        context = {
            "checkpoint": None if edit.new else edit.checkpoint,
            "form": edit.form,
            "rules": edit.rules,
            "may": may,
            "banners": [*edit.banners, *banners],
            "change": change,
            "weakens": change.loosens if change else [],
            "proof": proof_of(user),
            "others": [other.label for other in other_managers(user, CHANGE_CHECKPOINT)],
            "templates": TEMPLATES.items(),
            "bands": band_fields(edit.drawn),
            "bands_class": edit.drawn.get("bands-class", "")[:80],
            "told": spoken_fields(question) if question else {},
            "asks": [spoken_needs(stage["needs"]) for stage in question["stages"]]
            if question
            else [],
            "gaps": [found.message for found in findings_of(edit.checkpoint.question)]
            if question
            else [],
        }
        title = "New checkpoint" if edit.new else edit.title
        return self.page(request, "checkpoint.html", context, title=title)

    @method_decorator(require_POST)
    def check_view(self, request: HttpRequest) -> HttpResponse:
        """Tell whether a condition can be read, for the page that is being filled in."""
        if not request.user.has_perm(CHANGE_CHECKPOINT):
            raise PermissionDenied
        when = next((v for k, v in request.POST.items() if k.endswith("-when")), "")
        context: dict[str, Any] = {"errors": [], "empty": not str(when).strip()}
        try:
            schema = json.loads(request.POST.get("proposal_schema") or "{}")
            if not context["empty"]:
                check_rule(str(when).strip(), schema if isinstance(schema, dict) else {})
        except RuleInvalid as problem:
            context["errors"] = [error["message"] for error in problem.errors]
        except (ValueError, RecursionError):
            context["errors"] = ["The schema below is not JSON yet."]
        return render(request, "admin/settings/_rule_checked.html", context)

    @method_decorator(require_POST)
    def simulate_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Tell what the rules on the page would have made of past tickets; it changes no row."""
        checkpoint = self.seen(request, pk)
        edit, context = Edit.of(checkpoint, request.POST), dict[str, Any]()
        if edit.is_whole():
            context["found"] = simulate(
                checkpoint=edit.form.save(commit=False),
                wanted=edit.rules.in_order(),
                user=person_of(request),
                now=db_now(),
            )
        else:
            rows = enumerate(edit.rules.forms, start=1)
            context["wrong"] = [place for place, row in rows if row.errors]
        return render(request, "admin/settings/_simulated.html", context)

    def try_view(self, request: HttpRequest, pk: Any) -> HttpResponse:
        """Show what a sample would meet. A POST, for it may be long; it changes no row."""
        checkpoint = self.seen(request, pk)
        sample = made_up_sample(checkpoint)
        sent = {
            name: typed(str(request.POST.get(name, usual)))
            for name, usual in (
                ("proposal", json.dumps(sample, indent=2, ensure_ascii=False)),
                ("amount", ""),
                ("priority", "medium"),
                ("region", ""),
                ("confidence", ""),
            )
        }
        context: dict[str, Any] = {
            "checkpoint": checkpoint,
            "sent": sent,
            "priorities": PRIORITIES,
            "regions": list(Region.objects.values_list("slug", "name")),
            "errors": {},
        }
        if request.method == "POST":
            wanted, errors = request_of_form(checkpoint, sent)
            context["errors"] = errors
            if not errors:
                context["trial"] = try_sample(
                    checkpoint=checkpoint, request=wanted, by=person_of(request), now=db_now()
                )
        above = [(checkpoint.title, self.address("change", checkpoint.pk))]
        return self.page(request, "trial.html", context, title="Try it with a sample", above=above)

    def has_delete_permission(self, request: HttpRequest, obj: Checkpoint | None = None) -> bool:
        """Keep checkpoints: their tickets tell of them. One that is not wanted is made inactive."""
        return False
