"""What the status finds wrong, each with one way to mend it, the same from every side."""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import Permission
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.test import Client

from approvals.errors import NotAllowed
from audit.clock import db_now
from audit.models import AuditEvent
from audit.sealing import seal_chains
from reviews.models import Delivery, WebhookEndpoint
from reviews.services import status
from reviews.services.status import status_findings
from reviews.services.upkeep import review_audit, review_role
from tests.builders import PASSWORD
from tests.stories import checkpoint, later, people, question

pytestmark = pytest.mark.db


@pytest.fixture
def well(story, settings):
    """Return the cast of a service at which nothing is wrong."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.MAIL_NOTICES = True
    settings.HITL_SIGNING_KEY_GIVEN = True
    settings.DEBUG = False
    settings.EMBEDDED = True
    cache.delete("beat-heartbeat")
    rights = Permission.objects.filter(codename__in=["view_group", "view_auditevent"])
    for name in ("manager", "auditor"):
        story.roles[name].permissions.add(*rights)
    seal_chains()
    return story


def codes() -> list[str]:
    return [str(one["code"]) for one in status_findings()]


def ended() -> tuple[int, str]:
    out = StringIO()
    try:
        call_command("hitl_status", stdout=out)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue()
    return 0, out.getvalue()


def delivery(cast, **more):
    given = {
        "event_id": AuditEvent.objects.values_list("id", flat=True).first() or cast.queue.pk,
        "type": "ticket.opened",
        "channel": "email",
        "target": f"ann{Delivery.objects.count()}@example.org",
        "body": {},
        "created_at": db_now(),
        "next_attempt_at": db_now(),
    }
    return Delivery.objects.create(**{**given, **more})


def test_where_all_is_well_nothing_is_found(well):
    assert status_findings() == []
    assert ended() == (0, "Nothing is misconfigured, failing or overdue.\n")


@pytest.mark.parametrize(
    "name, value, code",
    [
        ("MAIL_NOTICES", False, "mail-off"),
        ("EMAIL_BACKEND", "django.core.mail.backends.filebased.EmailBackend", "mail-nowhere"),
        ("USE_STUBS", True, "stub-mode"),
        ("ENABLE_HUMAN_IN_THE_LOOP", False, "flag-off"),
        ("HITL_FLAGS", {"general": False}, "flag-off"),
        ("HITL_FLAGS", {"data-purchas": False}, "flag-unknown"),
        ("DEBUG", True, "debug-on"),
        ("HITL_SIGNING_KEY_GIVEN", False, "signing-key-here"),
        ("EMBEDDED", False, "beat-stalled"),
    ],
)
def test_each_setting_that_needs_a_look_is_named(well, settings, name, value, code):
    setattr(settings, name, value)

    (one,) = status_findings()
    assert one["code"] == code
    assert one["message"]
    assert one["mend"]


def test_mails_that_fail_and_deliveries_that_were_given_up_are_errors(well):
    delivery(well, attempts=1, last_error="Connection refused.")
    delivery(well, channel="webhook", state="parked", next_attempt_at=None, last_error="410 Gone")

    told = {str(one["code"]): one for one in status_findings()}
    assert set(told) == {"mail-failing", "delivery-parked"}
    assert "Connection refused." in str(told["mail-failing"]["message"])
    assert "410 Gone" in str(told["delivery-parked"]["message"])
    assert ended()[0] == 1


def test_a_delivery_nobody_takes_up_is_late(well):
    delivery(well, next_attempt_at=db_now() - timedelta(minutes=5))

    assert codes() == ["delivery-late"]


def test_a_disabled_endpoint_is_named(well):
    WebhookEndpoint.objects.create(
        name="Ledger", url="https://ledger.example", secret="s", created_by=well.max,
        created_at=db_now(), disabled_at=db_now(), disabled_why="It answered 410.",
    )  # fmt: skip

    (one,) = status_findings()
    assert one["code"] == "endpoint-disabled"
    assert "Ledger" in str(one["message"])


def test_an_empty_role_and_an_unreachable_quorum_are_errors(well):
    checkpoint("legal", question(needs=[people("auditor")]))
    well.ada.is_active = False
    well.ada.save()

    told = [(one["checkpoint"], one["code"], one["part"]) for one in status_findings()]
    assert told == [
        ("legal", "role-empty", "questions"), ("legal", "quorum-unreachable", "questions"),
    ]  # fmt: skip


def test_a_clock_that_differs_from_the_databases_is_told(well):
    if status.connection.vendor != "postgresql":
        # There the database has no clock of its own, so none can differ.
        with later(seconds=10):
            assert "clock-drift" not in codes()
        return
    with later(seconds=10):
        assert [one["severity"] for one in status_findings()] == ["warning"]
        assert codes() == ["clock-drift"]
    with later(seconds=100):
        (one,) = status_findings()
        assert (one["code"], one["severity"]) == ("clock-drift", "error")


def test_tickets_nobody_swept_are_told(well):
    ticket = well.open(expires_at=db_now() + timedelta(seconds=30))
    seal_chains()
    type(ticket).objects.filter(pk=ticket.pk).update(
        next_deadline_at=db_now() - timedelta(seconds=40)
    )

    assert codes() == ["sweep-late"]


def test_a_beat_that_was_not_seen_is_told(well, settings):
    settings.EMBEDDED = False
    cache.set("beat-heartbeat", db_now().timestamp() - 60)

    (one,) = status_findings()
    assert (one["code"], one["severity"]) == ("beat-stalled", "error")


def test_what_was_told_long_ago_and_not_sealed_is_an_error(well):
    with later(minutes=-10):
        well.open()
    Delivery.objects.update(state="sent", next_attempt_at=None)

    assert codes() == ["seals-stale"]


def test_a_role_is_owed_a_review_after_thirty_days_and_the_audit_after_ninety(well):
    well.open()
    seal_chains()
    assert codes() == []
    with later(days=31):
        told = {str(one["code"]): str(one["message"]) for one in status_findings()}
        assert "manager" in told["roles-unreviewed"]
        assert "lead" in told["roles-unreviewed"]
        review_role(role=well.roles["manager"], by=well.max)
        told = {str(one["code"]): str(one["message"]) for one in status_findings()}
        assert "manager" not in told["roles-unreviewed"]
        assert "audit-unreviewed" not in told
    with later(days=91):
        assert "audit-unreviewed" in codes()
        review_audit(by=well.ada)
        assert "audit-unreviewed" not in codes()


def test_nobody_reviews_what_they_may_not_see(well):
    with pytest.raises(NotAllowed):
        review_audit(by=well.ann)
    with pytest.raises(NotAllowed):
        review_role(role=well.roles["lead"], by=well.machine)
    with pytest.raises(CommandError, match="may not see"):
        call_command("record_review", "--user", "ann", "--role", "lead")


def test_a_review_is_recorded_by_a_button_and_by_a_command(well):
    desk = Client()
    assert desk.login(username="ada", password=PASSWORD)
    role = well.roles["lead"]
    page = f"/admin/auth/group/{role.pk}/change/"
    assert "I reviewed this role" in desk.get(page).content.decode()
    assert "you reviewed lead" in desk.post(page, {"act": "reviewed"}, follow=True).content.decode()
    audit = desk.post("/admin/audit/auditevent/review/", follow=True).content.decode()
    assert "you reviewed the audit" in audit
    assert "reviewed who is in the role" in audit
    call_command("record_review", "--user", "max", "--audit", stdout=StringIO())

    told = AuditEvent.objects.filter(type__endswith=".reviewed").order_by("at")
    assert [(e.type, e.actor_label, e.channel) for e in told] == [
        ("role.reviewed", "Ada", "web"), ("audit.reviewed", "Ada", "web"),
        ("audit.reviewed", "Max", "command"),
    ]  # fmt: skip


def test_command_and_interface_say_the_same(well, settings):
    settings.USE_STUBS = True
    out = StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("hitl_status", "--json", stdout=out)
    told = json.loads(out.getvalue())["findings"]
    over_http = well.as_person(well.max).get("/api/v1/status").json()["findings"]

    assert end.value.code == 1
    assert told == over_http
    assert told[0]["mend"] == "Unset USE_STUBS and restart."
