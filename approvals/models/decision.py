"""The question of one round, frozen, and its outcome."""

from django.conf import settings
from django.db import models

from approvals.models.policy import ApprovalPolicy
from audit.ids import new_id
from audit.models import AuditEvent


class Decision(models.Model):
    """One question put to people about one version of one subject, and what they answered.

    Everything above the outcome is frozen when the row is made; a trigger holds that.
    """

    class By(models.TextChoices):
        VOTES = "votes"
        RULE = "rule"
        TIMEOUT = "timeout"
        FLAG = "flag"
        STUB = "stub"
        BYPASS = "bypass"
        OVERRIDE = "override"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    subject = models.UUIDField(help_text="What is decided on; this room does not know its kind.")
    round = models.PositiveIntegerField()
    version = models.PositiveIntegerField()
    policy = models.ForeignKey(ApprovalPolicy, on_delete=models.PROTECT, related_name="decisions")
    question = models.JSONField(help_text="As asked: resolved and tightened.")
    rule = models.JSONField(null=True)
    content = models.BinaryField(help_text="RFC 8785 bytes of what is proposed.")
    action_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64)
    nonce = models.CharField(max_length=32)
    system = models.JSONField(default=dict, help_text="Flags and release as they stood.")
    opened_at = models.DateTimeField()

    escalated = models.JSONField(default=list, help_text="Roles asked in addition, by name.")
    closed_at = models.DateTimeField(null=True, help_text="Set when a new round took over.")

    by = models.CharField(max_length=10, choices=By, blank=True)
    outcome = models.CharField(max_length=80, blank=True, help_text="Key of the winning option.")
    effect = models.CharField(max_length=10, blank=True)
    outcome_digest = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    response = models.JSONField(null=True)
    amendments = models.JSONField(null=True)
    approved_content = models.BinaryField(null=True, help_text="Bytes as modified, if they were.")
    approved_action_digest = models.CharField(max_length=64, blank=True)
    settled_at = models.DateTimeField(null=True)
    final_at = models.DateTimeField(null=True)
    revocable_until = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    last_event = models.ForeignKey(
        AuditEvent, null=True, on_delete=models.DO_NOTHING, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "round"], name="decision_one_per_round"),
            models.CheckConstraint(
                condition=models.Q(
                    settled_at__isnull=True, final_at__isnull=True, outcome="", by=""
                )
                | models.Q(settled_at__isnull=False, final_at__isnull=False) & ~models.Q(by=""),
                name="decision_settled_whole",
            ),
            models.CheckConstraint(
                condition=models.Q(final_at__isnull=True)
                | models.Q(final_at__gte=models.F("settled_at")),
                name="decision_final_after_settled",
            ),
            models.CheckConstraint(
                condition=models.Q(revoked_at__isnull=True) | models.Q(settled_at__isnull=False),
                name="decision_revoked_after_settled",
            ),
        ]

    def __str__(self) -> str:
        return f"Decision {self.id} round {self.round}"

    @property
    def executed_digest(self) -> str:
        """Return the action digest of what was approved: as proposed, or as modified."""
        return self.approved_action_digest or self.action_digest

    @property
    def executed_content(self) -> bytes:
        """Return the canonical bytes of what was approved."""
        return bytes(self.approved_content if self.approved_content is not None else self.content)


class Exclusion(models.Model):
    """Somebody who may not vote on one decision because it is their own work."""

    class Why(models.TextChoices):
        REQUESTER = "requester"
        KEY_OWNER = "key_owner"
        ON_BEHALF_OF = "on_behalf_of"
        EDITOR = "editor"
        DELEGATE = "delegate"

    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, related_name="exclusions")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=20, choices=Why)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["decision", "user"], name="exclusion_one_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.user} ({self.why})"
