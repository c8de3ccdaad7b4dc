"""Changing one's own password: Django's own steps in the frame of the desk's pages."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeDoneView, PasswordChangeView
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse_lazy

from reviews.admin.navigation import entries


def _frame(request: HttpRequest) -> dict[str, Any]:
    request.strict_policy = True  # type: ignore[attr-defined]
    return {"nav": entries(request), "person": request.user}


class _Change(PasswordChangeView):
    template_name = "desk/password.html"
    success_url = reverse_lazy("admin:password_change_done")
    title = "Change password"

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        return super().get_context_data(**given) | _frame(self.request)


class _Done(PasswordChangeDoneView):
    template_name = "desk/password.html"
    title = "Change password"

    def get_context_data(self, **given: Any) -> dict[str, Any]:
        return super().get_context_data(**given) | _frame(self.request)


urlpatterns: list[URLPattern] = [
    path("admin/password_change/", admin.site.admin_view(_Change.as_view())),
    path("admin/password_change/done/", admin.site.admin_view(_Done.as_view())),
]
