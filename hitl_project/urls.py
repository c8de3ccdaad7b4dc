"""Every address of the service."""

from typing import Any

from django.contrib import admin
from django.urls import URLPattern, URLResolver, path

from hitl_project import probes

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", probes.healthz),
    path("readyz", probes.readyz),
    path("metrics", probes.metrics),
    path(".well-known/jwks.json", probes.jwks),
    path("admin/", admin.site.urls),
]

websocket_urlpatterns: list[Any] = []
