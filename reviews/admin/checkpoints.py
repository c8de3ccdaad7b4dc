"""Checkpoints and their rules: when people are asked, and what they are shown."""

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from simple_history.admin import SimpleHistoryAdmin

from approvals.services.policies import (
    lint_question,
    question_of_policy,
    rendered,
    safeguards_of,
)
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
        user, new = person_of(request), not checkpoint.slug
        may_change = new or self.has_change_permission(request, checkpoint)
        if request.method != "POST":
            rules = RuleFormSet(instance=checkpoint, prefix="rules")
            return self._page(
                request, checkpoint, CheckpointForm(instance=checkpoint), rules, may=may_change
            )
        if not may_change:
            raise PermissionDenied
        title = checkpoint.title
        sent, told = request.POST.copy(), ""
        drawing = sent.get("go", "save") != "save"
        if drawing:
            told = draw_rules(sent, checkpoint, by=user, now=db_now())
        form = CheckpointForm(sent, instance=checkpoint)
        rules = RuleFormSet(sent, instance=checkpoint, prefix="rules")
        if drawing:
            return self._page(
                request,
                checkpoint,
                form,
                rules,
                may=True,
                title=title,
                drawn=True,
                sent=sent,
                banners=[told] if told else None,
            )
        whole = form.is_valid()
        schema = form.cleaned_data.get("proposal_schema", {})
        for row in rules.forms:
            row.schema = schema if whole else None
        if not (rules.is_valid() and whole):
            banner = "Nothing is saved yet: something is missing or not right, see below."
            return self._page(
                request, checkpoint, form, rules, may=True, title=title, banners=[banner]
            )
        return self._save(request, checkpoint, form, rules, title, user)

    def _save(
        self, request: HttpRequest, checkpoint: Checkpoint, form: Any, rules: Any, title: str,
        user: Any,
    ) -> HttpResponse:  # fmt: skip
        new = not Checkpoint.objects.filter(pk=checkpoint.pk).exists()
        saved = form.save(commit=False)
        ordered = rules.in_order()
        standing = None if new else Checkpoint.objects.get(pk=checkpoint.pk)
        old = list(standing.rules.select_related("question")) if standing else []
        change = change_of(before=standing, rules_before=old, after=saved, rules_after=ordered)
        asked: dict[str, Any] = {"title": title, "change": change}
        if change.loosens:
            if not (request.POST.get("password") or request.POST.get("code")):
                return self._page(request, checkpoint, form, rules, may=True, **asked)
            if wrong := confirmed(request, user):
                return self._page(
                    request, checkpoint, form, rules, may=True, banners=wrong, **asked
                )
        shown = set(change.loosens)
        done = save_checkpoint(
            checkpoint=saved,
            rules=ordered,
            removed=rules.removed(),
            by=user,
            now=db_now(),
            agreed=lambda real: set(real.loosens) <= shown,
        )
        if done is None:
            banner = "Somebody else saved it meanwhile; look at what changes again."
            return self._page(request, checkpoint, form, rules, may=True, banners=[banner], **asked)
        count = len(done.differences)
        told = f"{count} change{'s' * (count != 1)} saved." if count else "Nothing differed."
        messages.success(request, told if not new else f"{saved.title} is made.")
        return self.see(saved)

    def _page(
        self,
        request: HttpRequest,
        checkpoint: Checkpoint,
        form: Any,
        rules: Any,
        *,
        may: bool,
        title: str = "",
        banners: list[str] | None = None,
        change: Change | None = None,
        drawn: bool = False,
        sent: Any = None,
    ) -> HttpResponse:
        new = not Checkpoint.objects.filter(pk=checkpoint.pk).exists()
        if not may:
            for field in [*form.fields.values(), *(f for r in rules for f in r.fields.values())]:
                field.disabled = True
        if drawn:
            # Another row was asked for; what is still empty is no mistake yet.
            form.errors.clear()
            for row in rules.forms:
                row.errors.clear()
        question = rendered(checkpoint.question) if not new else None
        context = {
            "checkpoint": None if new else checkpoint,
            "form": form,
            "rules": rules,
            "may": may,
            "banners": banners or [],
            "change": change,
            "weakens": change.loosens if change else [],
            "proof": proof_of(person_of(request)),
            "others": [
                other.label for other in other_managers(person_of(request), CHANGE_CHECKPOINT)
            ],
            "templates": TEMPLATES.items(),
            "bands": band_fields(sent or {}),
            "bands_class": (sent or {}).get("bands-class", "")[:80],
            "told": spoken_fields(question) if question else {},
            "asks": [spoken_needs(stage["needs"]) for stage in question["stages"]]
            if question
            else [],
            "gaps": [found.message for found in _findings(checkpoint)] if question else [],
        }
        title = "New checkpoint" if new else title or checkpoint.title
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
        form = CheckpointForm(request.POST, instance=checkpoint)
        rules: Any = RuleFormSet(request.POST, instance=checkpoint, prefix="rules")
        context: dict[str, Any] = {}
        whole = form.is_valid()
        for row in rules.forms:
            row.schema = form.cleaned_data.get("proposal_schema", {}) if whole else None
        if rules.is_valid() and whole:
            context["found"] = simulate(
                checkpoint=form.save(commit=False),
                wanted=rules.in_order(),
                user=person_of(request),
                now=db_now(),
            )
        else:
            context["wrong"] = [n for n, row in enumerate(rules.forms, start=1) if row.errors]
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


def _findings(checkpoint: Checkpoint) -> list[Any]:
    policy = checkpoint.question
    return list(lint_question(question_of_policy(policy), safeguards_of(policy)))
