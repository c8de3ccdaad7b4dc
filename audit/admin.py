"""The audit pages, and the read-only pages every room builds upon."""

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.paginator import InfinitePaginator

from audit.models import ChainHead, Seal
from audit.stamps import stamped


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


@admin.register(ChainHead)
class ChainHeadAdmin(ReadOnlyAdmin):
    """The end of each stream, and how far it is sealed."""

    list_display = ("stream", "events", "sealed", "ends_in")
    search_fields = ("stream__startswith",)
    ordering = ("stream",)
    sortable_by = ()
    paginator = InfinitePaginator

    @admin.display(description="events")
    def events(self, head: ChainHead) -> int:
        return head.seq

    @admin.display(description="of them sealed")
    def sealed(self, head: ChainHead) -> int:
        return head.sealed_seq

    @admin.display(description="last hash")
    def ends_in(self, head: ChainHead) -> str:
        return _short(head.hash)


@admin.register(Seal)
class SealAdmin(ReadOnlyAdmin):
    """Signed roots over all streams."""

    list_display = ("number", "sealed", "short_root", "short_key")
    ordering = ("-number",)
    sortable_by = ()
    sealed = stamped("at")
    fields = ("number", "sealed", "root", "previous", "key_id", "signature", "statement", "heads")

    @admin.display(description="root")
    def short_root(self, seal: Seal) -> str:
        return _short(seal.root)

    @admin.display(description="key")
    def short_key(self, seal: Seal) -> str:
        return _short(seal.key_id)


def _short(digest: str) -> str:
    """Return the beginning of a digest; its own page shows it whole."""
    return f"{digest[:16]}…" if len(digest) > 16 else digest
