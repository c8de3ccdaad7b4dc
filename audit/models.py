"""What happened: one append-only story per stream, chained by hashes, sealed from outside.

No table here points at another application, so the story outlives what it tells of.
"""

from django.db import models

from audit.ids import new_id


class AuditEvent(models.Model):
    """One fact on one stream (`ticket:<id>`, `policy:<id>`, `key:<id>`, `system` …).

    The hash covers everything but the personal values (`actor_label`, `reason`, `personal`);
    those enter through `field_commitments`, so a value can be erased and the chain still holds.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    stream = models.CharField(max_length=80)
    seq = models.PositiveBigIntegerField()
    type = models.CharField(max_length=60)
    actor_id = models.CharField(max_length=64, blank=True)
    actor_kind = models.CharField(max_length=10)
    actor_label = models.CharField(max_length=254, blank=True)
    at = models.DateTimeField(db_index=True)
    channel = models.CharField(max_length=20)
    reason = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    personal = models.JSONField(default=dict)
    salts = models.JSONField(default=dict)
    field_commitments = models.JSONField(default=dict)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["stream", "seq"], name="audit_event_one_per_position"),
            models.UniqueConstraint(
                fields=["stream", "previous_hash"], name="audit_event_one_successor"
            ),
        ]
        ordering = ["stream", "seq"]

    def __str__(self) -> str:
        return f"{self.stream} #{self.seq} {self.type}"


class ChainHead(models.Model):
    """The end of one stream. Its row is the lock that keeps the chain linear."""

    stream = models.CharField(max_length=80, primary_key=True)
    seq = models.PositiveBigIntegerField(default=0)
    hash = models.CharField(max_length=64)
    sealed_seq = models.PositiveBigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["stream"],
                name="audit_head_unsealed",
                condition=models.Q(seq__gt=models.F("sealed_seq")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.stream} at {self.seq}"


class Seal(models.Model):
    """A signed Merkle root over every stream that grew since the seal before it."""

    number = models.PositiveBigIntegerField(primary_key=True)
    at = models.DateTimeField()
    root = models.CharField(max_length=64)
    heads = models.JSONField()
    previous = models.CharField(max_length=64)
    statement = models.JSONField()
    key_id = models.CharField(max_length=64)
    signature = models.CharField(max_length=128)

    def __str__(self) -> str:
        return f"Seal {self.number}"
