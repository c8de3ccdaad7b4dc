"""Every address of the service."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.http import require_safe
from django.views.generic import RedirectView
from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from approvals.api import urls as approvals_api
from hitl_project import api, probes
from reviews.admin import dashboard, password, second_factor
from reviews.api import urls as reviews_api
from reviews.mailpage import urls as mailpage
from reviews.sockets.hints import hints
from reviews.sockets.interactions import interactions
from reviews.sockets.room import refuse

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", probes.healthz),
    path("readyz", probes.readyz),
    path("metrics", probes.metrics),
    path(".well-known/jwks.json", probes.jwks),
    # The desk is what people come for; the settings are one click away.
    path("", RedirectView.as_view(pattern_name="admin:reviews_ticket_changelist")),
    path("admin/", RedirectView.as_view(pattern_name="admin:reviews_ticket_changelist")),
    *dashboard.urlpatterns,
    *password.urlpatterns,
    path("admin/", admin.site.urls),
    *second_factor.urlpatterns,
    path(
        "api/v1/openapi.json",
        SpectacularJSONAPIView.as_view(renderer_classes=[OpenApiJsonRenderer2]),
        name="openapi",
    ),
    path("api/v1/docs", require_safe(SpectacularSwaggerSplitView.as_view(url_name="openapi"))),
    path("api/v1/", include([*reviews_api.api, *approvals_api.urlpatterns])),
    *reviews_api.seed,
    *mailpage.urlpatterns,
    # Last: whatever else begins like the interface is answered in its manner.
    re_path(api.OURS.pattern.removeprefix("/"), api.nowhere),
]

handler400 = "hitl_project.api.bad_request"
handler403 = "hitl_project.api.permission_denied"
handler404 = "hitl_project.api.page_not_found"
handler500 = "hitl_project.api.server_error"

websocket_urlpatterns: list[Any] = [
    path("ws/v1/me", hints),  # type: ignore[arg-type]
    path("ws/hitl/<str:user_id>", interactions),  # type: ignore[arg-type]
    re_path("", refuse),  # type: ignore[arg-type]
]
