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
from reviews.alive import (
    HEARTBEAT_LIMIT,
    SWEEP_LIMIT,
    heartbeat_age,
    pending_migrations,
    swept_age,
)
from reviews.services import sweeps

HEARTBEAT_AGE = Gauge(
    "countersign_heartbeat_age_seconds", "Seconds since scheduler and worker last showed life"
)
SWEPT_AGE = Gauge(
    "countersign_sweep_ended_seconds", "Seconds since a sweep of the deadlines last ended"
)
LATENESS = Gauge(
    "countersign_deadline_lateness_seconds",
    "For how long the most overdue deadline has waited for a sweep; 0 where none does",
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


def _sweep() -> str:
    age, _ = _deadlines()
    if age is not None and age > SWEEP_LIMIT:
        return f"no sweep of the deadlines has ended for {age:.0f} s"
    return ""


def _deadlines() -> tuple[float | None, float | None]:
    """Return the seconds since a sweep ended and those of the most overdue deadline, if known."""
    found: list[float | None] = []
    for ask in (swept_age, sweeps.lateness):
        try:
            found.append(ask())
        except Exception:  # what is away is told of by the part it belongs to
            found.append(None)
    return found[0], found[1]


def _threads() -> str:
    dead = [
        f"the embedded {thread.name} is being restarted ({thread.fault})"
        for thread in embedded.threads
        if not thread.running
    ]
    return "; ".join(dead)


def faults() -> dict[str, str]:
    """Return what keeps the service from working, by part; empty when nothing does."""
    found = {
        "database": _database(),
        "heartbeat": _heartbeat(),
        "deadlines": _sweep(),
        "threads": _threads(),
    }
    return {part: fault for part, fault in found.items() if fault}


@never_cache
async def healthz(_request: HttpRequest) -> JsonResponse:
    """Answer that the process runs, without looking at anything else."""
    return JsonResponse({"status": "up", "release": settings.HITL_RELEASE})


@require_safe
@never_cache
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer 200 when every part works, else 503 and what does not."""
    age, late = _deadlines()
    found = faults()
    # Lateness is told but is no fault of this process: one that takes no requests is no help.
    told = {"swept_seconds_ago": age, "late_seconds": late}
    body: dict[str, Any] = {
        "status": "not ready" if found else "ready",
        "faults": found,
        "deadlines": told,
    }
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
    swept, late = _deadlines()
    SWEPT_AGE.set(float("nan") if swept is None else swept)
    LATENESS.set(float("nan") if late is None else late)
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
