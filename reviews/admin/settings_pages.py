"""Settings pages of our own inside unfold's frame: one template base, words of where one is."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse

from approvals.errors import Refusal
from approvals.models import User
from approvals.services.identity import confirm_identity, has_second_factor
from audit.clock import db_now

Crumb = tuple[str, str]


def settings_page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    title: str,
    crumbs: Sequence[Crumb] = (),
    status: int = 200,
) -> HttpResponse:
    """Answer with one of our settings pages; nothing on the way keeps it.

    ``crumbs`` are (word, address) of the pages above this one.
    """
    whole = {
        **admin.site.each_context(request),
        "title": title,
        "crumbs": [*crumbs, (title, "")],
        "now": db_now(),
        **context,
    }
    response = render(request, f"admin/settings/{template}", whole, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def see_other(name: str, *arguments: object, also: str = "") -> HttpResponse:
    """Send the browser to a page of the admin, to be fetched anew."""
    return HttpResponseRedirect(reverse(f"admin:{name}", args=arguments) + also, status=303)


def confirmed(request: HttpRequest, user: User) -> list[str]:
    """Return why this is not shown to be this person, from the password or code they sent."""
    try:
        confirm_identity(
            user=user,
            password=request.POST.get("password", ""),
            code=request.POST.get("code", ""),
        )
    except Refusal as refusal:
        return [error["message"] for error in refusal.errors] or [refusal.detail]
    return []


def proof_of(user: User) -> str:
    """Return what this person shows to prove who they are: password or code."""
    return "code" if has_second_factor(user) else "password"


def typed(text: str) -> str:
    """Return text a form sent as it may be stored: line breaks alike, no NUL."""
    return text.replace("\r\n", "\n").replace("\x00", "")
