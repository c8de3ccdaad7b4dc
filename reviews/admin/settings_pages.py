"""Settings pages of our own inside unfold's frame: a list, a page of each thing, words of where."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin

from approvals.errors import Refusal
from approvals.models import User
from approvals.services.identity import confirm_identity, has_second_factor
from audit.clock import db_now
from reviews.admin.pages import SeeOther


class SettingsAdmin(ModelAdmin):
    """Our own list, form and page of a thing; the rights are asked here, for all of them.

    Whoever registers one says what its things are called and writes `list_page`, `thing_page` and,
    where people make them here, `new_page`; what is not written is the framework's. `besides` are
    further addresses below the list: `{"verify/": "verify"}` is answered by `verify_view`.
    """

    plural = singular = ""
    besides: Mapping[str, str] = {}

    def list_page(self, request: HttpRequest) -> HttpResponse:
        """Show all of them."""
        return super().changelist_view(request)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        """Make one."""
        return super().add_view(request)

    def thing_page(self, request: HttpRequest, thing: Any) -> HttpResponse:
        """Show one, and do what was pressed on its page."""
        return super().change_view(request, str(thing.pk))

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                route,
                self.admin_site.admin_view(getattr(self, f"{word}_view")),
                name=f"{self.opts.app_label}_{self.opts.model_name}_{word}",
            )
            for route, word in self.besides.items()
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self.list_page(request)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return self.new_page(request)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self.thing_page(request, self.seen(request, object_id))

    def seen(self, request: HttpRequest, object_id: object) -> Any:
        """Return a thing this person may look at.

        :raises Http404: where there is none.
        :raises PermissionDenied: where it is not theirs to see.
        """
        thing = self.get_object(request, str(object_id))
        if thing is None:
            raise Http404(f"There is no such {self.singular}.")
        if not self.has_view_permission(request, thing):
            raise PermissionDenied
        return thing

    def sought(self, request: HttpRequest, rows: QuerySet[Any]) -> tuple[QuerySet[Any], str]:
        """Return the rows with what was typed into the list's search, and what that was."""
        typed = request.GET.get("q", "").replace("\x00", "").strip()[:80]
        fits = Q()
        for lookup in self.search_fields if typed else ():
            fits |= Q(**{lookup: typed})
        return rows.filter(fits), typed

    def address(self, word: str, *arguments: object) -> str:
        """Return the path of a page of theirs: `changelist`, `add`, or `change` with an id."""
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{word}"
        return reverse(name, args=arguments)

    def see(self, thing: Model | None = None, *, also: str = "") -> HttpResponse:
        """Send the browser to a thing's page, or to the list, to be fetched anew."""
        here = self.address("change", thing.pk) if thing else self.address("changelist")
        return SeeOther(here + also)

    def page(
        self,
        request: HttpRequest,
        template: str,
        context: Mapping[str, Any],
        *,
        title: str = "",
        above: Sequence[tuple[str, str]] = (),
    ) -> HttpResponse:
        """Answer with a page below the list, or with the list where no title says more.

        Nothing on the way keeps it. ``above`` are (word, address) of pages between it and the list.
        """
        crumbs = [(self.plural, self.address("changelist")), *above] if title else []
        title = title or self.plural
        whole = {
            **admin.site.each_context(request),
            "title": title,
            "crumbs": [*crumbs, (title, "")],
            "now": db_now(),
            **context,
        }
        response = render(request, f"admin/settings/{template}", whole)
        response.headers["Cache-Control"] = "no-store"
        return response


def confirmed(request: HttpRequest, user: User) -> list[str]:
    """Return why this is not shown to be this person, from the password or code they sent."""
    try:
        confirm_identity(
            user=user,
            password=request.POST.get("password", ""),
            code=request.POST.get("code", ""),
        )
    except Refusal as refusal:
        return refusal.told
    return []


def proof_of(user: User) -> str:
    """Return what this person shows to prove who they are: password or code."""
    return "code" if has_second_factor(user) else "password"


def typed(text: str) -> str:
    """Return text a form sent as it may be stored: line breaks alike, no NUL."""
    return text.replace("\r\n", "\n").replace("\x00", "")
