"""What is misconfigured, failing or overdue: one list for the command, the interface and `hitl`.

Each finding names one way to mend it.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import DatabaseError, connection
from django.db.models import Count, F, Max, OuterRef, Q, Subquery

from approvals.models import User
from approvals.services.bypasses import running
from audit.clock import db_now
from audit.models import AuditEvent, ChainHead
from reviews import flags
from reviews.alive import HEARTBEAT_LIMIT, heartbeat_age, pending_migrations
from reviews.channels import MAILS
from reviews.mail_health import unreached
from reviews.models import Checkpoint, Delivery, Ticket, WebhookEndpoint
from reviews.services.findings import findings
from reviews.services.upkeep import AUDIT_EVERY, ROLES_EVERY, audit_review, began, role_reviews

Json = dict[str, str | int | None]
ERROR, WARNING = "error", "warning"

# Backends that bring no mail to anybody.
_NOWHERE = ("filebased", "console", "dummy", "locmem")
# Clocks this far apart make deadlines surprising; this far, wrong.
DRIFT_SEEN, DRIFT_WRONG = 2.0, 30.0
# A ticket this long past its instant was not swept, a delivery this long past its own not tried.
LATE = timedelta(seconds=15)
UNSENT = timedelta(minutes=2)
# Seals are made each minute.
UNSEALED = timedelta(minutes=5)
# What was parked longer ago is history; nobody is going to send it again.
PARKED_FOR = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to look at, and one way to mend it."""

    severity: str
    code: str
    message: str
    mend: str

    def as_json(self, part: str) -> Json:
        """Return it with the members of a finding about a question, which it is not."""
        nothing: Json = {"checkpoint": None, "policy": None, "version": None, "pointer": ""}
        return {**nothing, "part": part, **asdict(self)}


_error, _warning = partial(Problem, ERROR), partial(Problem, WARNING)


def status_findings() -> list[Json]:
    """Return everything that is wrong or overdue, errors first.

    Each is `{part, severity, code, message, mend, checkpoint, policy, version, pointer}`.
    """
    try:
        found = [problem.as_json("database") for problem in _database()]
        if not found:
            now = db_now()
            found = [one.as_json(part) for part, look in _LOOKS.items() for one in look(now)]
            found += [
                {**one, "part": "questions", "mend": _MEND_QUESTION.get(str(one["code"]), _ASK)}
                for one in findings()
            ]
    except DatabaseError as fault:
        why = f"The database does not answer ({type(fault).__name__})."
        away = _error("database-away", why, "Start it, or mend DATABASE_URL.")
        found = [away.as_json("database")]
    return sorted(found, key=lambda one: str(one["severity"]))


_ASK = "Open the checkpoint or its policy in the menu and correct it."
_MEND_QUESTION = {
    "role-empty": "Add people to the role under Roles.",
    "quorum-unreachable": "Add people to the roles it asks under Roles, or ask fewer.",
    "rule-unreachable": "Put the narrower rule first on the checkpoint's page.",
}


def _database() -> Iterator[Problem]:
    pending = pending_migrations()
    if pending:
        why = f"{len(pending)} migrations are pending."
        yield _error("migrations-pending", why, "Run `manage.py migrate`.")


def _mail(now: datetime) -> Iterator[Problem]:
    if not settings.MAIL_NOTICES:
        yield _warning("mail-off", "Nobody is told of tickets by mail.", "Set MAIL_NOTICES=true.")
        return
    backend = settings.EMAIL_BACKEND
    if any(f".{name}." in backend for name in _NOWHERE):
        where = f" They are files in {settings.EMAIL_FILE_PATH}." if "filebased" in backend else ""
        yield _warning(
            "mail-nowhere",
            f"No mail leaves: no mail server is set.{where}",
            "Set EMAIL_URL=smtp+tls://user:password@host:587.",
        )
    failing = Delivery.objects.filter(
        channel__in=MAILS, state=Delivery.State.WAITING, attempts__gte=1
    ).exclude(last_error="")
    last = failing.order_by("-created_at").first()
    if last is not None:
        message = f"{failing.count()} mails failed and are tried again: {last.last_error}"
        yield _error("mail-failing", message, "Mend EMAIL_URL; they go out by themselves.")
    lost = unreached(since=now - PARKED_FOR)
    if lost is not None:
        whom = f", the newest to {lost.person.label} ({lost.person.email})" if lost.person else ""
        yield _error(
            "mail-parked",
            f"{lost.mails} mail{'s were' if lost.mails > 1 else ' was'} given up{whom}: "
            f"{lost.newest.last_error or 'no reason was noted'}",
            "Correct the address under People, or EMAIL_URL; then press “Send again” under "
            "Deliveries.",
        )


def _deliveries(now: datetime) -> Iterator[Problem]:
    parked = (
        Delivery.objects.filter(state=Delivery.State.PARKED, created_at__gte=now - PARKED_FOR)
        .exclude(channel__in=MAILS)
        .order_by()
        .values_list("channel")
        .annotate(count=Count("pk"), last=Max("last_error"))
    )
    for channel, count, last in parked:
        yield _error(
            "delivery-parked",
            f"{count} deliveries by {channel} were given up: {last or 'no reason was noted'}",
            "Mend the target, then press “Send again” under Deliveries.",
        )
    waiting = Delivery.objects.filter(state=Delivery.State.WAITING)
    failing = waiting.filter(attempts__gte=1).exclude(last_error="")
    failing = failing.exclude(channel__in=MAILS)
    last_one = failing.order_by("-created_at").first()
    if last_one is not None:
        yield _warning(
            "delivery-failing",
            f"{failing.count()} deliveries failed and are tried again: {last_one.last_error}",
            "Look under Deliveries what their targets answered.",
        )
    unsent = waiting.filter(next_attempt_at__lt=now - UNSENT).count()
    if unsent:
        yield _error(
            "delivery-late",
            f"{unsent} deliveries are due and not sent.",
            "Start the worker and the scheduler.",
        )
    for endpoint in WebhookEndpoint.objects.filter(disabled_at__isnull=False).order_by("name"):
        why = f": {endpoint.disabled_why}" if endpoint.disabled_why else "."
        yield _warning(
            "endpoint-disabled",
            f"The endpoint {endpoint.name} is disabled{why}",
            "Enable it again under Webhooks once its receiver answers.",
        )


def _time(now: datetime) -> Iterator[Problem]:
    if connection.vendor == "postgresql":
        apart = abs((datetime.now(UTC) - now).total_seconds())
        if apart > DRIFT_SEEN:
            yield Problem(
                ERROR if apart > DRIFT_WRONG else WARNING,
                "clock-drift",
                f"The clocks of the database and of this machine differ by {apart:.0f} s.",
                "Let both keep time by NTP (chrony, systemd-timesyncd).",
            )
    yield from _heartbeat()
    late = Ticket.objects.due_for_conclusion(now - LATE)
    first = late.first()
    if first is not None and first.next_deadline_at is not None:
        behind = (now - first.next_deadline_at).total_seconds()
        yield _error(
            "sweep-late",
            f"{late.count()} tickets wait for their instant to be handled, the first {behind:.0f} "
            "s past it.",
            "Start the worker and the scheduler (celery beat).",
        )


def _heartbeat() -> Iterator[Problem]:
    try:
        age = heartbeat_age()
    except Exception as fault:  # the cache's client has many kinds
        yield _error(
            "redis-away",
            f"Redis does not answer ({type(fault).__name__}).",
            "Start it, or mend REDIS_URL; until then messages are late.",
        )
        return
    if age is None and settings.EMBEDDED:
        return  # another process than the one that serves: its heartbeat is in its own memory
    if age is None or age > HEARTBEAT_LIMIT:
        seen = "have not shown life yet" if age is None else f"were last seen {age:.0f} s ago"
        yield _error(
            "beat-stalled",
            f"Scheduler and worker {seen}.",
            "Start `celery -A hitl_project worker` and `celery -A hitl_project beat`.",
        )


def _passing(now: datetime) -> Iterator[Problem]:
    if settings.USE_STUBS:
        yield _error("stub-mode", "Stub mode: no person decides.", "Unset USE_STUBS and restart.")
    slugs = Checkpoint.objects.filter(active=True).values_list("slug", flat=True)
    off = {flags.switched_off_by(slug) for slug in slugs} if flags.any_off() else set()
    for variable in sorted(off - {""}):
        yield _warning("flag-off", flags.sentence(variable), f"Set {variable}=true and restart.")
    for variable in flags.switching_nothing(Checkpoint.objects.values_list("slug", flat=True)):
        yield _warning(
            "flag-unknown",
            f"{variable} switches nothing: no checkpoint is called like that.",
            "Correct the name, or unset it, and restart.",
        )
    for bypass in running(now):
        until = f"{bypass.ends_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        yield _warning(
            "bypass-active",
            f"A bypass by {bypass.started_by.label} is active until {until}.",
            "End it under Bypasses when it is no longer needed.",
        )


def _set_up(now: datetime) -> Iterator[Problem]:
    if settings.DEBUG:
        local = urlsplit(settings.BASE_URL).hostname in {"127.0.0.1", "localhost", "::1"}
        yield Problem(
            WARNING if local else ERROR,
            "debug-on",
            "DEBUG is on: error pages show the inside of the service.",
            "Unset DEBUG and restart.",
        )
    if not settings.HITL_SIGNING_KEY_GIVEN:
        yield _warning(
            "signing-key-here",
            f"The signing key was made here and is only in {settings.HITL_DATA_DIR}.",
            "Keep a copy of signing-key.pem elsewhere and give it by HITL_SIGNING_KEY_FILE.",
        )
    first_unsealed = AuditEvent.objects.filter(
        stream=OuterRef("stream"), seq=OuterRef("sealed_seq") + 1
    )
    # Heads are few that were not sealed: of a sealer that works only those of the last minute.
    waiting = ChainHead.objects.filter(seq__gt=F("sealed_seq")).order_by("stream")[:500]
    stale = ChainHead.objects.filter(pk__in=[head.pk for head in waiting]).annotate(
        since=Subquery(first_unsealed.values("at")[:1])
    )
    if stale.filter(since__lt=now - UNSEALED).exists():
        yield _error(
            "seals-stale",
            "What was told minutes ago is not sealed yet.",
            "Start the worker and the scheduler; its log says why a seal failed.",
        )


def _reviews(now: datetime) -> Iterator[Problem]:
    start = began()
    if start is None:
        return
    people = Count("user", filter=Q(user__is_active=True, user__kind=User.Kind.HUMAN))
    roles = dict(
        Group.objects.annotate(people=people).filter(people__gt=0).values_list("pk", "name")
    )
    seen = role_reviews(list(roles))
    owed = sorted(name for pk, name in roles.items() if seen.get(pk, start) < now - ROLES_EVERY)
    if owed:
        yield _warning(
            "roles-unreviewed",
            f"Not reviewed for {ROLES_EVERY.days} days: {', '.join(owed)}.",
            "Look at each under Roles and press “I reviewed this role”.",
        )
    if (audit_review() or start) < now - AUDIT_EVERY:
        yield _warning(
            "audit-unreviewed",
            f"Nobody has reviewed the audit trail for {AUDIT_EVERY.days} days.",
            "Look through it under Audit and press “I reviewed the audit”.",
        )


_LOOKS = {
    "mail": _mail,
    "deliveries": _deliveries,
    "time": _time,
    "passing": _passing,
    "set-up": _set_up,
    "reviews": _reviews,
}
