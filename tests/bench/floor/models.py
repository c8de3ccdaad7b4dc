"""One table with a ticket's plain columns and nothing else."""

from django.db import models


class Note(models.Model):
    """What a bare POST stores."""

    title = models.CharField(max_length=200)
    proposal = models.JSONField(default=dict)
    priority = models.CharField(max_length=10, default="medium")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "floor"

    def __str__(self) -> str:
        return self.title
