"""The audit pages, and the read-only pages every room builds upon."""

import json
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from audit import inert
from audit.models import AuditEvent, ChainHead, Seal


class ReadOnlyAdmin(ModelAdmin):
    """Pages to look at. Nobody adds, changes or deletes here, a superuser no more than others."""

    show_full_result_count = False
    list_per_page = 50
    actions: Any = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class StreamKind(admin.SimpleListFilter):
    """Filter by what a stream is about."""

    title = "stream"
    parameter_name = "about"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        kinds = ("ticket", "policy", "key", "webhook", "role", "bypass", "system")
        return [(kind, kind.capitalize()) for kind in kinds]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        kind = self.value()
        if not kind:
            return queryset
        # A range on the text uses the index that a LIKE would not.
        if kind == "system":
            return queryset.filter(stream="system")
        return queryset.filter(stream__gte=f"{kind}:", stream__lt=f"{kind};")


class EventType(admin.SimpleListFilter):
    """Filter by type of event; the types are read from where the index ends each of them."""

    title = "type"
    parameter_name = "type"
    _TYPES = (
        *("ticket.opened", "ticket.claimed", "ticket.released", "ticket.vote_cast"),
        *("ticket.vote_withdrawn", "ticket.settled", "ticket.decided", "ticket.returned"),
        *("ticket.resubmitted", "ticket.due_soon", "ticket.breached", "ticket.escalated"),
        *("ticket.assigned", "ticket.skipped", "ticket.test_mail_sent"),
        *("ticket.expired", "ticket.cancelled", "ticket.revoked", "ticket.overridden"),
        *("ticket.consumed", "ticket.commented", "policy.published", "role.changed"),
        *("key.created", "key.revoked", "webhook.created", "webhook.disabled"),
        *("bypass.started", "bypass.used", "bypass.ended"),
    )

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in self._TYPES]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(type=self.value()) if self.value() else queryset


class Fixed(admin.SimpleListFilter):
    """Filter by one of the few values a column has."""

    column = ""
    values: tuple[str, ...] = ()

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value.capitalize()) for value in self.values]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class ActorKind(Fixed):
    """Filter by people, machines and the service itself."""

    title, parameter_name, column = "actor", "actor", "actor_kind"
    values = ("human", "machine", "system")


class Channel(Fixed):
    """Filter by the entrance something came through."""

    title, parameter_name, column = "channel", "channel", "channel"
    values = ("web", "api", "mail", "command", "system")


def _as_json(value: Any) -> str:
    """Return JSON as foreign text on a page: inert, hidden characters named."""
    return format_html(
        "<pre>{}</pre>", inert.visible(json.dumps(value, indent=2, ensure_ascii=False))
    )


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """What happened, the latest first."""

    list_display = ("moment", "type", "who", "place", "channel", "short_reason")
    list_display_links = ("moment",)
    list_filter = (StreamKind, EventType, ActorKind, Channel)
    search_fields = ("stream__startswith", "actor_label__istartswith")
    search_help_text = "The beginning of a stream (ticket:…) or of a person's name."
    ordering = ("-at",)
    sortable_by = ()
    paginator = InfinitePaginator
    fieldsets = (
        (None, {"fields": ("type", "at", "who", "channel", "given_reason", "facts", "words")}),
        ("Proof", {"fields": ("stream", "seq", "id", "previous_hash", "hash",
                              "field_commitments")}),
    )  # fmt: skip

    @admin.display(description="at (UTC)")
    def moment(self, event: AuditEvent) -> str:
        return f"{event.at:%Y-%m-%d %H:%M:%S}"

    @admin.display(description="stream")
    def place(self, event: AuditEvent) -> str:
        """Show the end of a stream's name: ids of the same hour begin alike."""
        kind, colon, name = event.stream.partition(":")
        short = name if len(name) <= 20 else f"…{name[-8:]}"
        return f"{kind}{colon}{short} #{event.seq}"

    @admin.display(description="actor")
    def who(self, event: AuditEvent) -> str:
        """Show who did it, machines with a square before their name."""
        mark = {"human": "●", "machine": "■"}.get(event.actor_kind, "◇")
        return format_html("{} {}", mark, inert.visible(event.actor_label or "Countersign"))

    @admin.display(description="reason")
    def short_reason(self, event: AuditEvent) -> str:
        return inert.visible(event.reason if len(event.reason) <= 80 else f"{event.reason[:80]}…")

    @admin.display(description="reason")
    def given_reason(self, event: AuditEvent) -> str:
        return inert.visible(event.reason)

    @admin.display(description="data")
    def facts(self, event: AuditEvent) -> str:
        return _as_json(event.data)

    @admin.display(description="personal")
    def words(self, event: AuditEvent) -> str:
        return _as_json(event.personal)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).order_by("-at")


@admin.register(ChainHead)
class ChainHeadAdmin(ReadOnlyAdmin):
    """The end of each stream, and how far it is sealed."""

    list_display = ("stream", "seq", "sealed_seq", "hash")
    search_fields = ("stream__startswith",)
    ordering = ("stream",)
    sortable_by = ()
    paginator = InfinitePaginator


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    """Signed roots over all streams."""

    list_display = ("number", "at", "root", "key_id")
    ordering = ("-number",)
    sortable_by = ()
    fields = ("number", "at", "root", "previous", "key_id", "signature", "statement", "heads")
