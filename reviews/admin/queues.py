"""Queues, how one is chosen, and regions."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from approvals.models import User
from reviews.models import Queue, QueueChoice, Region
from reviews.services.queues import reorder_queue


class WeightsField(forms.JSONField):
    """Read the order weights of a queue, each a number from 0 to 1."""

    def clean(self, value: Any) -> Any:
        weights = super().clean(value)
        known = {"impact", "age", "confidence", "compliance"}
        right = isinstance(weights, dict) and set(weights) == known
        if not right or not all(
            isinstance(w, int | float) and not isinstance(w, bool) and 0 <= w <= 1
            for w in weights.values()
        ):
            raise forms.ValidationError(
                "Give impact, age, confidence and compliance, each a number from 0 to 1."
            )
        return weights


class QueueForm(forms.ModelForm):
    """A queue with its weights checked."""

    class Meta:
        model = Queue
        fields = ("slug", "name", "roles", "region", "weights", "impact_scale")
        field_classes = {"weights": WeightsField}


@admin.register(Queue)
class QueueAdmin(ModelAdmin):
    """Where tickets wait, and which roles see them."""

    form = QueueForm
    list_display = ("name", "slug", "region", "seen_by")
    search_fields = ("name", "slug")
    filter_horizontal = ("roles",)
    list_select_related = ("region",)

    @admin.display(description="seen by")
    def seen_by(self, queue: Queue) -> str:
        return ", ".join(role.name for role in queue.roles.all()) or "nobody"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("roles")

    def get_readonly_fields(self, request: HttpRequest, obj: Queue | None = None) -> Any:
        return ("slug",) if obj else ()

    def save_model(self, request: HttpRequest, obj: Queue, form: Any, change: bool) -> None:
        """Save; what waits is put in its new order as soon as the settings stand."""
        super().save_model(request, obj, form, change)
        if change and {"weights", "impact_scale"} & set(form.changed_data):
            transaction.on_commit(partial(reorder_queue, queue_id=obj.pk))

    def has_delete_permission(self, request: HttpRequest, obj: Queue | None = None) -> bool:
        """Keep `general`, which catches what no line of the table does."""
        kept = obj is not None and obj.slug == "general"
        return not kept and super().has_delete_permission(request, obj)


@admin.register(QueueChoice)
class QueueChoiceAdmin(ModelAdmin):
    """The table that chooses a queue at opening; the first line that fits wins."""

    list_display = ("position", "checkpoint", "region", "queue")
    list_display_links = ("position",)
    list_select_related = ("checkpoint", "region", "queue")
    ordering = ("position",)


@admin.register(Region)
class RegionAdmin(ModelAdmin):
    """A part of the world or the organisation, with its people."""

    list_display = ("name", "slug", "people_count")
    search_fields = ("name", "slug")
    filter_horizontal = ("people",)

    @admin.display(description="people")
    def people_count(self, region: Region) -> int:
        return region.people.count()

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer people only; a machine lives nowhere."""
        if db_field.name == "people":
            kwargs["queryset"] = User.objects.filter(kind=User.Kind.HUMAN).order_by("username")
        return super().formfield_for_manytomany(db_field, request, **kwargs)
