"""Queues, how one is chosen, and regions."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest

from approvals.models import User
from reviews.admin.plain_settings import PlainSettings
from reviews.models import Queue, QueueChoice, Region
from reviews.services.queues import reorder_queue

WEIGHTS = {
    "impact": "How much hangs on it",
    "age": "How long it has waited",
    "confidence": "How unsure the AI is",
    "compliance": "Whether a law is concerned",
}


class _Named(forms.ModelForm):
    """A thing whose short name never changes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        slug = self.fields["slug"]
        slug.label, slug.help_text = "Name for programs", "It never changes."
        slug.disabled = bool(self.instance.slug)


class QueueForm(_Named):
    """A queue; what comes first in it is four numbers from 0 to 1."""

    # Where the second part of the form begins, its heading and what it is about.
    part = ("weight_impact", "What comes first", "From 0, not at all, to 1: how much each counts.")

    class Meta:
        model = Queue
        fields = ("name", "slug", "roles", "region", "calendar", "assigning", "impact_scale")
        labels = {
            "roles": "Seen by",
            "region": "Only this region",
            "assigning": "Give tickets out by itself",
            "impact_scale": "Full impact",
        }
        help_texts = {
            "roles": "People of these roles see and answer its tickets.",
            "calendar": "Its clocks run in these hours alone. What waits already keeps its times.",
            "assigning": "Each ticket goes to whoever may decide it, knows its field and has least "
            "to do.",
        }
        widgets = {"roles": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["region"].empty_label = "All regions"  # type: ignore[attr-defined]
        self.fields["calendar"].empty_label = "Always open"  # type: ignore[attr-defined]
        for name, label in WEIGHTS.items():
            self.fields[f"weight_{name}"] = forms.FloatField(
                label=label,
                min_value=0,
                max_value=1,
                initial=self.instance.weights.get(name, 0),
            )
        self.order_fields([name for name in self.fields if name != "impact_scale"])

    def save(self, commit: bool = True) -> Any:
        self.instance.weights = {name: self.cleaned_data[f"weight_{name}"] for name in WEIGHTS}
        return super().save(commit)


@admin.register(Queue)
class QueueAdmin(PlainSettings):
    """Where tickets wait, and which roles see them."""

    form = QueueForm
    plural, singular = "Queues", "queue"
    lead = "Where tickets wait, and which roles see them."
    search_fields = ("name__icontains", "slug__icontains")

    def row(self, queue: Queue) -> dict[str, str]:
        region = f" in {queue.region}" if queue.region else ""
        seen = ", ".join(role.name for role in queue.roles.all()) or "nobody"
        given = "; given out by itself" if queue.assigning else ""
        return {"title": queue.name, "text": f"Seen by {seen}{region}{given}", "quiet": queue.slug}

    def words(self, queue: Queue) -> Mapping[str, str]:
        return {
            "Name": queue.name,
            "Seen by": ", ".join(queue.roles.order_by("name").values_list("name", flat=True)),
            "Region": str(queue.region or "all"),
            "Calendar": str(queue.calendar or "always open"),
            "Given out by itself": "yes" if queue.assigning else "no",
            "Full impact": str(queue.impact_scale),
            **{label: str(queue.weights.get(name)) for name, label in WEIGHTS.items()},
        }

    def after_saving(self, queue: Queue, changed: list[str]) -> None:
        """Put what waits in its new order as soon as the settings stand."""
        if any(name.startswith("weight_") or name == "impact_scale" for name in changed):
            transaction.on_commit(partial(reorder_queue, queue_id=queue.pk))

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).select_related("region").prefetch_related("roles")

    def has_delete_permission(self, request: HttpRequest, obj: Queue | None = None) -> bool:
        """Keep `general`, which catches what no line of the table does."""
        kept = obj is not None and obj.slug == "general"
        return not kept and super().has_delete_permission(request, obj)


class QueueChoiceForm(forms.ModelForm):
    """One line of the table."""

    class Meta:
        model = QueueChoice
        fields = ("position", "checkpoint", "region", "queue")
        help_texts = {"position": "The lines are read from the lowest; the first that fits wins."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("checkpoint", "region"):
            self.fields[name].empty_label = "Any"  # type: ignore[attr-defined]


@admin.register(QueueChoice)
class QueueChoiceAdmin(PlainSettings):
    """The table that chooses a queue at opening; the first line that fits wins."""

    form = QueueChoiceForm
    plural, singular = "Choice of queue", "line"
    lead = "Which queue a new ticket waits in. The first line that fits wins; else it is General."

    def row(self, line: QueueChoice) -> dict[str, str]:
        where = f" in {line.region}" if line.region else ""
        what = str(line.checkpoint) if line.checkpoint else "Anything"
        return {"title": f"{what}{where}", "text": f"waits in {line.queue}",
                "quiet": f"line {line.position}"}  # fmt: skip

    def words(self, line: QueueChoice) -> Mapping[str, str]:
        return {
            "Position": str(line.position),
            "Checkpoint": str(line.checkpoint or "any"),
            "Region": str(line.region or "any"),
            "Queue": str(line.queue),
        }

    def get_queryset(self, request: HttpRequest) -> Any:
        rows = super().get_queryset(request).select_related("checkpoint", "region", "queue")
        return rows.order_by("position")


class RegionForm(_Named):
    """A region with its people; a machine lives nowhere."""

    class Meta:
        model = Region
        fields = ("name", "slug", "people")
        help_texts = {"people": "They see this region's tickets, if a role lets them."}
        widgets = {"people": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(kind=User.Kind.HUMAN).order_by("first_name", "username")
        field: Any = self.fields["people"]
        field.queryset = people
        field.label_from_instance = lambda user: user.label


@admin.register(Region)
class RegionAdmin(PlainSettings):
    """A part of the world or the organisation, with its people."""

    form = RegionForm
    plural, singular = "Regions", "region"
    lead = "Parts of the world or of the organisation. People see the tickets of theirs alone."
    search_fields = ("name__icontains", "slug__icontains")

    def row(self, region: Region) -> dict[str, str]:
        names = [user.label for user in region.people.all()]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        return {"title": region.name, "text": (", ".join(names[:8]) or "nobody") + more,
                "quiet": region.slug}  # fmt: skip

    def words(self, region: Region) -> Mapping[str, str]:
        people = region.people.order_by("username").values_list("username", flat=True)
        return {"Name": region.name, "People": ", ".join(people)}

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("people")
