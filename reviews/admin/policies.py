"""Who decides: policies as people read them, and the form that publishes the next version."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from simple_history.admin import SimpleHistoryAdmin
from unfold.admin import ModelAdmin

from approvals import permissions
from approvals.models import ApprovalPolicy
from approvals.services.policies import fields_of, latest_version, newest_versions, rendered
from approvals.spoken import EFFECTS, spoken_fields, spoken_needs, spoken_rung, spoken_safeguards
from audit.admin import ReadOnlyAdmin
from audit.clock import db_now
from audit.differences import differences
from reviews.admin.pages import person_of
from reviews.admin.policy_edit import PolicyEdit
from reviews.admin.samples import read_number
from reviews.admin.settings_pages import SettingsAdmin, confirmed, proof_of
from reviews.models import Checkpoint, Rule
from reviews.services.managers import PUBLISH, other_managers
from reviews.services.walkthrough import walk_of_policy
from reviews.sla import PRIORITIES


@admin.register(ApprovalPolicy)
class ApprovalPolicyAdmin(SimpleHistoryAdmin, ReadOnlyAdmin, SettingsAdmin):
    """Every published version. A version never changes; an edit is the next one."""

    plural, singular = "Who decides", "version"
    search_fields = ("name__icontains", "slug__icontains")
    besides = {"<uuid:policy_id>/again/": "again"}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return ModelAdmin.has_add_permission(self, request)

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show one row per policy."""
        searched = request.GET.get("q", "").replace("\x00", "").strip()[:80]
        policies = newest_versions().select_related("published_by").prefetch_related("stages")
        found, searched = self.sought(request, policies.order_by("name", "slug"))
        asking = checkpoints_asking()
        rows = [
            {
                "policy": policy,
                "asks": [spoken_needs(stage.needs) for stage in policy.stages.all()],
                "silence": spoken_fields(rendered(policy))["Silence means"],
                "askers": asking.get(policy.slug, []),
            }
            for policy in found
        ]
        context = {"rows": rows, "searched": searched, "may_add": self.has_add_permission(request)}
        return self.page(request, "policies.html", context)

    def thing_page(self, request: HttpRequest, policy: ApprovalPolicy) -> HttpResponse:
        """Show one version: who is asked, what may be answered, how long, and what came before."""
        latest = latest_version(policy.slug)
        assert latest is not None
        question = rendered(policy)
        fields = spoken_fields(question)
        told = {f: w for f, w in fields.items() if not f.startswith(("Step", "Answer"))}
        context = {
            "policy": policy,
            "latest": latest,
            "steps": [
                {**stage, "words": spoken_needs(stage["needs"]),
                 "rungs": [spoken_rung(rung) for rung in stage["ladder"]]}
                for stage in question["stages"]
            ],
            "answers": [{**o, "does": EFFECTS[o["effect"]]} for o in question["options"]],
            "timing": told,
            "safeguards": spoken_safeguards(policy.safeguards),
            "replacing": permissions.overriding_roles(policy),
            "askers": _askers(policy.slug),
            "versions": _versions(policy.slug),
            "compared": differences(fields_of(policy), fields_of(latest))
            if policy.pk != latest.pk else [],
            "may_add": self.has_add_permission(request),
            **self._tried(request, policy),
        }  # fmt: skip
        title = (
            policy.name if policy.pk == latest.pk else f"{policy.name}, version {policy.version}"
        )
        return self.page(request, "policy.html", context, title=title)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Edit the next version (`?from=` a policy) or a new one; publish it after a look."""
        user = person_of(request)
        slug = request.GET.get("from", "").replace("\x00", "")
        before = latest_version(slug) if slug else None
        edit = PolicyEdit.of(request, before)
        go = request.POST.get("go", "")
        rows = go == "rows" or "more" in request.POST or "less" in request.POST
        if request.method != "POST" or rows:
            return self._form(request, edit)
        if not edit.is_whole():
            return self._form(request, edit)
        if go != "publish":
            return self._look(request, edit)
        standing = before.version if before else 0
        if edit.after != standing:
            edit.after = standing
            edit.banners = [
                "Somebody published a version meanwhile; look at the differences again."
            ]
            return self._look(request, edit)
        if edit.preview().weakens and (wrong := confirmed(request, user)):
            edit.banners = wrong
            return self._look(request, edit)
        policy = edit.publish(by=user)
        if policy is None:
            return self._form(request, edit)
        moved = edit.move_askers(policy, by=user)
        told = f" {moved} of what asks it moved to it." if moved else ""
        messages.success(request, f"{policy} is published.{told}")
        return self.see(policy)

    @method_decorator(require_POST)
    def again_view(self, request: HttpRequest, policy_id: Any) -> HttpResponse:
        """Publish an old version again, as the next one."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        old = self.seen(request, policy_id)
        edit = PolicyEdit.again(request, old)
        if not request.POST.get("sure") or (
            edit.preview().weakens and (edit.banners or confirmed(request, person_of(request)))
        ):
            return self._look(request, edit, again=old)
        policy = edit.publish(by=person_of(request))
        if policy is None:
            return self._look(request, edit, again=old)
        edit.move_askers(policy, by=person_of(request))
        messages.success(request, f"Version {old.version} is in force again, as {policy}.")
        return self.see(policy)

    def _form(self, request: HttpRequest, edit: PolicyEdit) -> HttpResponse:
        title = f"Next version of {edit.before.name}" if edit.before else "New policy"
        context = {
            "edit": edit,
            "roles": list(Group.objects.order_by("name").values_list("name", flat=True)),
            "effects": EFFECTS,
            "banners": edit.banners,
        }
        return self.page(request, "policy_form.html", context, title=title, above=self._above(edit))

    def _look(
        self, request: HttpRequest, edit: PolicyEdit, *, again: ApprovalPolicy | None = None
    ) -> HttpResponse:
        user = person_of(request)
        preview = edit.preview()
        context = {
            "edit": edit,
            "again": again,
            "preview": preview,
            "banners": edit.banners,
            "proof": proof_of(user),
            "others": [other.label for other in other_managers(user, PUBLISH)],
            "askers": _askers(edit.slug),
            "warnings": edit.warnings(),
        }
        title = "What changes" if edit.before else "Publish it"
        return self.page(request, "policy_look.html", context, title=title, above=self._above(edit))

    def _above(self, edit: PolicyEdit) -> list[tuple[str, str]]:
        before = edit.before
        return [(before.name, self.address("change", before.pk))] if before else []

    def _tried(self, request: HttpRequest, policy: ApprovalPolicy) -> dict[str, Any]:
        """Return what the page shows for an amount somebody asks about; nothing is stored."""
        asked = {"amount": request.GET.get("amount", "").strip()[:40],
                 "priority": request.GET.get("priority", "medium")}  # fmt: skip
        found: dict[str, Any] = {"asked": asked, "priorities": PRIORITIES}
        if "amount" not in request.GET:
            return found
        try:
            amount = read_number(asked["amount"])
        except ValueError:
            return {**found, "amount_error": "Write an amount, for example 5000."}
        priority = asked["priority"] if asked["priority"] in PRIORITIES else "medium"
        walk = walk_of_policy(policy, amount=amount, priority=priority, now=db_now())
        return {**found, "walk": walk}


def checkpoints_asking() -> dict[str, list[str]]:
    """Return the titles of the checkpoints in use, by the slug of the policy they ask under."""
    asking: dict[str, list[str]] = {}
    known = Checkpoint.objects.filter(active=True).order_by("title")
    for slug, title in known.values_list("question__slug", "title"):
        asking.setdefault(slug, []).append(title)
    return asking


def _askers(slug: str) -> list[dict[str, Any]]:
    """Return what puts a policy's question: checkpoints and rules, with the version they ask."""
    checkpoints = Checkpoint.objects.filter(question__slug=slug).select_related("question")
    rules = Rule.objects.filter(question__slug=slug).exclude(state=Rule.State.OFF)
    return [
        {"key": f"c-{c.pk}", "title": c.title, "version": c.question.version, "checkpoint": c.pk}
        for c in checkpoints
    ] + [
        {
            "key": f"r-{rule.pk}",
            "title": f"{rule.checkpoint.title}, rule “{rule.name}”",
            "version": rule.question.version if rule.question else 0,
            "checkpoint": rule.checkpoint_id,
        }
        for rule in rules.select_related("checkpoint", "question")
    ]


def _versions(slug: str) -> list[dict[str, Any]]:
    """Return every version, newest first, each with what it changed of the one before."""
    policies = list(
        ApprovalPolicy.objects.filter(slug=slug)
        .select_related("published_by")
        .prefetch_related("stages")
        .order_by("version")[:100]
    )
    rows: list[dict[str, Any]] = []
    before: dict[str, str] | None = None
    for policy in policies:
        fields = fields_of(policy)
        changed = differences(before, fields) if before is not None else []
        rows.append({"policy": policy, "changes": changed, "first": before is None})
        before = fields
    return rows[::-1]
