"""Settings of a few fields: a list and a form, on our own frame, each change an audit event."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from approvals.trail import actor_for
from audit.clock import db_now
from audit.differences import differences
from audit.services import Draft, record
from reviews.admin.pages import person_of
from reviews.admin.settings_pages import SettingsAdmin


class PlainSettings(SettingsAdmin):
    """A list of rows and a form for each, told by their names where nothing else is said."""

    lead = ""
    template = "plain_form.html"

    def row(self, thing: Any) -> dict[str, str]:
        """Return a row of the list: its title, a line of text, and a quieter one."""
        return {"title": str(thing)}

    def stream(self, thing: Any) -> str:
        """Return the stream of the audit that tells of it."""
        return f"{self.opts.model_name}:{thing.pk}"

    def words(self, thing: Any) -> Mapping[str, str]:
        """Return it as labelled texts, to tell what a change changed."""
        return {"Name": str(thing)}

    def beside(self, thing: Any | None) -> Mapping[str, Any]:
        """Return what its page shows besides the form; None is one about to be made."""
        return {}

    def after_saving(self, thing: Any, changed: list[str]) -> None:
        """Do what follows from a change, in its transaction."""

    def list_page(self, request: HttpRequest) -> HttpResponse:
        found, searched = self.sought(request, self.get_queryset(request))
        context = {
            "rows": [
                {**self.row(thing), "link": self.address("change", thing.pk)} for thing in found
            ],
            "searched": searched,
            "searchable": bool(self.search_fields),
            "lead": self.lead,
            "plural": self.plural,
            "singular": self.singular,
            "add_link": self.address("add") if self.has_add_permission(request) else "",
        }
        return self.page(request, "plain_list.html", context)

    def new_page(self, request: HttpRequest) -> HttpResponse:
        return self._edit(request, None)

    def thing_page(self, request: HttpRequest, thing: Any) -> HttpResponse:
        return self._edit(request, thing)

    def _edit(self, request: HttpRequest, thing: Any) -> HttpResponse:
        may = thing is None or self.has_change_permission(request, thing)
        before = self.words(thing) if thing is not None else {}
        form = self.form(request.POST or None, instance=thing)
        if request.method == "POST":
            if not may:
                raise PermissionDenied
            if form.is_valid():
                return self._save(request, form, before, new=thing is None)
        if not may:
            for field in form.fields.values():
                field.disabled = True
        context = {
            "form": form,
            "may": may,
            "audit": self.stream(thing) if thing is not None else "",
            "delete_link": self.address("delete", thing.pk)
            if thing is not None and self.has_delete_permission(request, thing)
            else "",
            **self.beside(thing),
        }
        title = f"New {self.singular}" if thing is None else str(thing)
        return self.page(request, self.template, context, title=title)

    def _save(
        self, request: HttpRequest, form: Any, before: Mapping[str, str], *, new: bool
    ) -> HttpResponse:
        with transaction.atomic():
            thing = form.save()
            changes = differences(before, self.words(thing))
            if changes:
                facts = {"name": str(thing), "changes": [each.as_data() for each in changes]}
                what = f"{self.opts.model_name}.{'made' if new else 'changed'}"
                actor = actor_for(person_of(request))
                record(self.stream(thing), [Draft(what, db_now(), actor, data=facts)])
            self.after_saving(thing, form.changed_data)
        messages.success(request, f"{thing} is {'made' if new else 'saved'}.")
        return self.see(thing)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it, and say so."""
        with transaction.atomic():
            gone = [each.as_data() for each in differences(self.words(obj), {})]
            facts = {"name": str(obj), "changes": gone}
            actor = actor_for(person_of(request))
            stream = self.stream(obj)
            obj.delete()
            record(stream, [Draft(f"{self.opts.model_name}.removed", db_now(), actor, data=facts)])
