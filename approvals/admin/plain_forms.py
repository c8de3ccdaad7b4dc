"""A plain form on unfold's base, for what a service makes, and the page that shows secrets once."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from approvals.errors import Refusal


class IndentedJSONField(forms.JSONField):
    """Show JSON in a form people can read."""

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def report(form: forms.Form, refusal: Refusal) -> None:
    """Put a refusal's errors beside their fields, the rest above the form."""
    for error in refusal.errors:
        name = error.get("pointer", "").lstrip("/").split("/")[0]
        form.add_error(name if name in form.fields else None, error.get("message", ""))
    if not refusal.errors:
        form.add_error(None, refusal.detail)


def plain_page(
    model_admin: Any,
    request: HttpRequest,
    title: str,
    *,
    form: forms.Form | None = None,
    verb: str = "Save",
    lead: str = "",
    secrets: Sequence[tuple[str, str]] = (),
    sample: str = "",
) -> HttpResponse:
    """Answer with a form, or with what is shown only now, which nothing on the way may keep."""
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        "form": form,
        "verb": verb,
        "lead": lead,
        "secrets": secrets,
        "sample": sample,
    }
    response = render(request, "admin/plain_page.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response
