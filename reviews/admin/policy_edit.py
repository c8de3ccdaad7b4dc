"""One edit of a policy on its way: what was typed, whether it is whole, and publishing it."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from approvals import permissions
from approvals.errors import Refusal
from approvals.models import ApprovalPolicy, User
from approvals.presets import PLAIN, PRESETS
from approvals.question import QuestionInvalid, parse_question, render_question
from approvals.safeguards import DOORS, parse_safeguards, render_safeguards
from approvals.services.policies import Preview, lint_question, preview, rendered
from audit.clock import db_now
from reviews.admin.settings_pages import typed
from reviews.forms.policy_draft import (
    Draft,
    draft_of,
    inputs_of,
    name_at,
    read_draft,
    with_row,
    without_row,
)
from reviews.forms.policy_form import question_from
from reviews.services.checkpoints import ask_under
from reviews.services.managers import publish_and_tell

ASKED = {"never": "Never", "high_risk": "Where the risk is high", "always": "Always"}


@dataclass
class PolicyEdit:
    """What somebody makes of a policy before it is published."""

    before: ApprovalPolicy | None
    slug: str
    name: str
    draft: Draft
    safeguards: dict[str, Any]
    replacing: list[str]
    after: int
    note: str = ""
    moving: list[str] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    banners: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, request: HttpRequest, before: ApprovalPolicy | None) -> "PolicyEdit":
        """Return the edit a request carries, or begins."""
        if request.method != "POST":
            return cls._begun(before, request.GET.get("like", ""))
        sent = {name: typed(str(value)) for name, value in request.POST.items()}
        if "question" in sent:
            # From the page that shows the differences: nothing is typed there but the note.
            draft = draft_of(_posted(sent["question"]))
        else:
            draft = read_draft(sent)
        with_row(draft, sent.get("more", ""))
        without_row(draft, sent.get("less", ""))
        doors = [door for door in DOORS if door in request.POST.getlist("doors")]
        return cls(
            before=before,
            slug=before.slug if before else sent.get("slug", "").strip(),
            name=sent.get("name", "").strip(),
            draft=draft,
            safeguards={
                "confirm_identity": sent.get("confirm_identity") or "high_risk",
                "channels": doors if doors and len(doors) < len(DOORS) else None,
                "silence_may_allow": bool(sent.get("silence_may_allow")),
            },
            replacing=request.POST.getlist("replacing"),
            after=_number(sent.get("after", "")),
            note=sent.get("note", "").strip()[:400],
            moving=request.POST.getlist("moving"),
        )

    @classmethod
    def _begun(cls, before: ApprovalPolicy | None, like: str) -> "PolicyEdit":
        if before is None:
            question = render_question(parse_question(PRESETS.get(like) or PRESETS[PLAIN]))
            return cls(None, "", "", draft_of(question), _whole_safeguards({}), [], 0)
        return cls(
            before=before,
            slug=before.slug,
            name=before.name,
            draft=draft_of(rendered(before)),
            safeguards=_whole_safeguards(before.safeguards),
            replacing=permissions.overriding_roles(before),
            after=before.version,
        )

    @classmethod
    def again(cls, request: HttpRequest, old: ApprovalPolicy) -> "PolicyEdit":
        """Return the edit that puts an old version in force again."""
        latest = ApprovalPolicy.objects.filter(slug=old.slug).order_by("-version").first()
        edit = cls._begun(old, "")
        edit.before, edit.after = latest, _number(request.POST.get("after", ""))
        edit.note = typed(request.POST.get("note", "")).strip()[:400]
        edit.note = edit.note or f"Version {old.version} again."
        edit.moving = request.POST.getlist("moving")
        return edit

    @property
    def rows(self) -> dict[str, Any]:
        return inputs_of(self.draft, self.problems)

    @property
    def doors(self) -> list[tuple[str, bool]]:
        chosen = self.safeguards["channels"]
        return [(door, chosen is None or door in chosen) for door in DOORS]

    @property
    def confirm_choices(self) -> dict[str, str]:
        return ASKED

    @property
    def question(self) -> dict[str, Any]:
        return question_from(self.draft)[0]

    @property
    def question_json(self) -> str:
        return json.dumps(self.question)

    def is_whole(self) -> bool:
        """Tell whether everything can be read; what cannot is put beside its input."""
        question, self.problems = question_from(self.draft)
        if not self.name:
            self.problems["name"] = "Give it a name."
        if self.before is None and not _is_slug(self.slug):
            self.problems["slug"] = "Small letters, digits and dashes, for example purchases-eu."
        elif self.before is None and ApprovalPolicy.objects.filter(slug=self.slug).exists():
            self.problems["slug"] = "There is a policy of this name; edit that one."
        try:
            checked, safe = parse_question(question), parse_safeguards(self.safeguards)
        except QuestionInvalid as problem:
            self._blame(problem.errors)
        else:
            found = lint_question(checked, safe)
            self._blame(each.as_json() for each in found if each.severity == "error")
        return not self.problems and not self.banners

    def _blame(self, errors: Any) -> None:
        for error in errors:
            name = name_at(error["pointer"])
            if name:
                self.problems.setdefault(name, error["message"])
            else:
                self.banners.append(f"{error['pointer'] or 'The question'}: {error['message']}")

    def preview(self) -> Preview:
        """Return what publishing would change."""
        return preview(
            before=self.before,
            name=self.name,
            question=self.question,
            safeguards=self.safeguards,
            overriding=self.replacing,
        )

    def warnings(self) -> list[str]:
        """Return what somebody should know before publishing it."""
        checked, safe = parse_question(self.question), parse_safeguards(self.safeguards)
        return [each.message for each in lint_question(checked, safe)]

    def publish(self, *, by: User) -> ApprovalPolicy | None:
        """Publish it; None where it was refused, with why in `banners`."""
        try:
            return publish_and_tell(
                slug=self.slug,
                name=self.name,
                question=self.question,
                safeguards=self.safeguards,
                note=self.note,
                override_roles=self.replacing,
                keep_overriding=False,
                after_version=self.after,
                by=by,
                now=db_now(),
            )
        except Refusal as refusal:
            self._blame(refusal.errors)
            if not refusal.errors:
                self.banners.append(refusal.detail)
            return None

    def move_askers(self, policy: ApprovalPolicy, *, by: User) -> int:
        """Let the chosen checkpoints and rules ask the new version; return how many."""
        return ask_under(policy=policy, keys=self.moving, by=by, now=db_now())


def _posted(text: str) -> dict[str, Any]:
    try:
        return render_question(parse_question(json.loads(text)))
    except (ValueError, RecursionError, QuestionInvalid):
        return render_question(parse_question(PRESETS[PLAIN]))


def _whole_safeguards(stored: dict[str, Any]) -> dict[str, Any]:
    return render_safeguards(parse_safeguards(stored))


def _is_slug(text: str) -> bool:
    return (
        0 < len(text) <= 80 and text.replace("-", "").replace("_", "").isalnum() and text.isascii()
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
