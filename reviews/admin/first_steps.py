"""What is still to do before the first ticket can be decided, read from how things are."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from approvals.models import AccessKey, User
from reviews.models import Checkpoint, Ticket
from reviews.services.findings import findings

_FEW = 3
_READY = "Make your own, or let “manage.py load_checkpoints” make some with roles and a queue."


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do: whether it is done, why it is needed, and where it is done."""

    title: str
    done: bool
    why: Sequence[str]
    link: str
    action: str


def first_steps(user: User) -> list[Step]:
    """Return the way to the first decision; nothing for whoever may not go it, or need not."""
    rights = ("auth.view_group", "reviews.view_checkpoint", "approvals.view_accesskey")
    if not user.has_perms(rights) or Ticket.objects.exists():
        return []
    guarded = Checkpoint.objects.filter(active=True).exists()
    wrong = [one for one in findings() if one["severity"] == "error"]
    # Where a role has nobody, the rest follows from it.
    first = [one for one in wrong if one["code"] == "role-empty"] or wrong
    missing = list(dict.fromkeys(str(one["message"]) for one in first))
    alone = User.objects.filter(kind=User.Kind.HUMAN, is_active=True).count() < 2
    keys = AccessKey.objects.filter(kind=AccessKey.Kind.SERVICE, revoked_at__isnull=True)
    return [
        Step(
            "Checkpoints: what people are asked about",
            guarded,
            ["Each kind of decision has one.", *([] if guarded else [_READY])],
            reverse("admin:reviews_checkpoint_changelist"),
            "See them" if guarded else "Make a checkpoint",
        ),
        Step(
            "People who decide",
            guarded and not missing,
            missing[:_FEW] or ["People are asked through their roles."],
            reverse("admin:approvals_user_add" if alone else "admin:auth_group_changelist"),
            "Make a person" if alone else "Put people in roles",
        ),
        Step(
            "A key for the program that asks",
            keys.exists(),
            ["It is shown once. Its owner does not decide what it asks for."],
            reverse("admin:approvals_accesskey_add"),
            "Make a key",
        ),
        Step(
            "The first ticket",
            False,
            ["Send one with the key; it appears here by itself."],
            "/api/v1/docs",
            "How programs ask",
        ),
    ]
