"""The stamp that makes an approval usable once."""

from django.db import models

from approvals.models.access_key import AccessKey
from approvals.models.decision import Decision
from audit.ids import new_id


class Receipt(models.Model):
    """The stamp on a decision's signed statement: consumed before execution, then its result.

    The statement itself is not stored; it is signed from the decision whenever it is read.
    The row exists from the moment of consumption, and there can be only one.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    decision = models.OneToOneField(Decision, on_delete=models.PROTECT, related_name="receipt")
    nonce = models.CharField(max_length=128)
    digest = models.CharField(max_length=64)
    consumed_at = models.DateTimeField()
    consumed_with = models.ForeignKey(AccessKey, on_delete=models.PROTECT, related_name="+")
    result = models.CharField(max_length=40, blank=True)
    result_detail = models.JSONField(null=True)
    recorded_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Receipt {self.id}"
