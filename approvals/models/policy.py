"""The stored form of a question: published versions, and the roles that may answer each stage."""

from typing import Any

from django.conf import settings
from django.db import models
from guardian.models import GroupObjectPermissionBase
from simple_history.models import HistoricalRecords

from audit.ids import new_id


def one() -> int:
    return 1


def no_safeguards() -> dict[str, Any]:
    return {}


class ApprovalPolicy(models.Model):
    """One published version of a question. The row never changes; an edit is a new version."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=80, help_text="The same for every version.")
    version = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    options = models.JSONField(help_text="What may be answered, each with its effect.")
    options_from = models.CharField(max_length=20, blank=True)
    timing = models.JSONField()
    repeat = models.JSONField()
    safeguards: Any = models.JSONField(
        default=no_safeguards,
        help_text="How votes are taken: channels, confirm_identity, silence_may_allow.",
    )
    weakens = models.BooleanField(
        default=False, help_text="It asks fewer people or less of them than the version before."
    )
    note = models.CharField(max_length=400, blank=True, help_text="Why this version exists.")
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    published_at = models.DateTimeField()

    history = HistoricalRecords()

    class Meta:
        verbose_name_plural = "approval policies"
        constraints = [
            models.UniqueConstraint(fields=["slug", "version"], name="policy_one_per_version")
        ]
        permissions = [("override_approvalpolicy", "Can override decisions under this policy")]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class PolicyStage(models.Model):
    """One ordered step of a policy. The roles it names hold a grant on this row."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    policy = models.ForeignKey(ApprovalPolicy, on_delete=models.PROTECT, related_name="stages")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    needs: Any = models.JSONField(help_text="All of these: a role and how many of its people.")
    rejections: Any = models.JSONField(default=one)
    ladder: Any = models.JSONField(default=list)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "position"], name="stage_one_per_position")
        ]
        permissions = [("vote_policystage", "Can vote on this stage")]

    def __str__(self) -> str:
        return f"{self.policy} · {self.name}"


class StageGrant(GroupObjectPermissionBase):
    """A role's right on one stage. A table of its own, so that lists join it cheaply."""

    content_object = models.ForeignKey(PolicyStage, on_delete=models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        pass
