"""What machines ask of the service: is it up, is it ready, its figures, its public keys."""

import hmac
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import cache_control, never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Gauge, generate_latest

from audit.keys import published_keys
from hitl_project import embedded
from reviews import exposition
from reviews.alive import HEARTBEAT_LIMIT, heartbeat_age, pending_migrations

HEARTBEAT_AGE = Gauge(
    "countersign_heartbeat_age_seconds", "Seconds since scheduler and worker last showed life"
)
THREAD_UP = Gauge("countersign_embedded_thread_up", "1 while the thread runs", ["thread"])
THREAD_RESTARTS = Gauge("countersign_embedded_thread_restarts", "Restarts so far", ["thread"])
REGISTRY.register(exposition.Work())


_migrated = False


def _database() -> str:
    global _migrated
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            if pending := pending_migrations():
                return f"{len(pending)} migrations are pending; run `manage.py migrate`"
            _migrated = True  # migrations are never taken back under a running process
    except Exception as fault:  # whatever it is, a probe reports it and does not fail
        return f"the database does not answer ({type(fault).__name__})"
    return ""


def _heartbeat() -> str:
    try:
        age = heartbeat_age()
    except Exception as fault:  # the cache's client has many kinds
        return f"Redis does not answer ({type(fault).__name__})"
    if age is None:
        return "scheduler and worker have not shown life yet"
    if age > HEARTBEAT_LIMIT:
        return f"scheduler and worker were last seen {age:.0f} s ago"
    return ""


def _threads() -> str:
    dead = [
        f"the embedded {thread.name} is being restarted ({thread.fault})"
        for thread in embedded.threads
        if not thread.running
    ]
    return "; ".join(dead)


def faults() -> dict[str, str]:
    """Return what keeps the service from working, by part; empty when nothing does."""
    found = {"database": _database(), "heartbeat": _heartbeat(), "threads": _threads()}
    return {part: fault for part, fault in found.items() if fault}


@never_cache
async def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer that the process runs, without looking at anything else."""
    return JsonResponse({"status": "up", "release": settings.HITL_RELEASE})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part works, else 503 and what does not."""
    found = faults()
    body: dict[str, Any] = {"status": "not ready" if found else "ready", "faults": found}
    return JsonResponse(body, status=503 if found else 200)


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer every figure of the default registry; applications register their own there."""
    if not _may_read_metrics(request):
        return HttpResponse(status=404)
    try:
        age = heartbeat_age()
    except Exception:  # figures are still worth having while the cache is away
        age = None
    HEARTBEAT_AGE.set(float("nan") if age is None else age)
    for thread in embedded.threads:
        THREAD_UP.labels(thread.name).set(thread.running)
        THREAD_RESTARTS.labels(thread.name).set(thread.restarts)
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        wanted = f"Bearer {settings.METRICS_TOKEN}"
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), wanted.encode())
    return request.META.get("REMOTE_ADDR", "") in {"127.0.0.1", "::1"}


@require_safe
@cache_control(public=True, max_age=300)
def jwks(_request: HttpRequest) -> JsonResponse:
    """Answer the public keys, the present and the earlier ones, as a JSON Web Key Set."""
    return JsonResponse({"keys": published_keys()})
