"""The calendars' pages: hours as people write them, what they mean, and which queues use them."""

import pytest
from django.test import Client
from django.urls import reverse

from approvals.models import User
from audit.models import AuditEvent
from reviews.models import Calendar, Queue
from tests.builders import PASSWORD

pytestmark = pytest.mark.db

OFFICE = {
    "name": "Office", "time_zone": "Europe/Berlin", "country": "de", "subdivision": "be",
    **{f"day{place}": "9:00-12:30, 13:00–18:00" for place in range(5)},
    "day5": "", "day6": "",
    "lines": "2026-12-31 closed\n2026-12-24 9:00-12:00 Christmas Eve\n",
}  # fmt: skip


@pytest.fixture
def root(cast) -> Client:
    person = User.objects.create_superuser("root", "root@example.org", PASSWORD)
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(name: str, *args: object, model: str = "reviews_calendar") -> str:
    return reverse(f"admin:{model}_{name}", args=args)


def test_a_calendar_is_made_as_people_write_it_and_reads_the_same(root):
    assert root.post(page("add"), OFFICE).status_code == 303
    office = Calendar.objects.get()

    assert office.week == [[[540, 750], [780, 1080]]] * 5 + [[], []]
    assert (office.country, office.subdivision) == ("DE", "BE")
    assert office.exceptions == [
        ["2026-12-24", [[540, 720]], "Christmas Eve"],
        ["2026-12-31", [], ""],
    ]
    shown = root.get(page("change", office.pk)).content.decode()
    assert "09:00–12:30, 13:00–18:00" in shown
    assert "2026-12-24 09:00-12:00 Christmas Eve\n2026-12-31 closed" in shown
    told = AuditEvent.objects.get(type="calendar.made")
    assert {"field": "Saturday", "before": "", "after": "closed"} in told.data["changes"]


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("day0", "9-18", "Write a time like 9:00."),
        ("day0", "soon", "Write hours like 9:00-12:30, 13:00-18:00."),
        ("day1", "18:00-9:00", "Hours end later than they begin"),
        ("time_zone", "Berlin", "Berlin is not a time zone"),
        ("country", "XX", "The holidays of XX are not known"),
        ("subdivision", "QQ", "DE has BB, BE"),
        ("lines", "24.12.2026 closed", "Line 1: Begin with a date like 2026-12-24."),
        ("lines", "2026-12-24", "Line 1: Write closed, or hours"),
        ("lines", "2026-12-24 closed\n2026-12-24 closed", "Line 2: This date stands above"),
    ],
)
def test_what_cannot_be_read_is_told_where_it_stands(root, field, value, sentence):
    answer = root.post(page("add"), OFFICE | {field: value})

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    assert not Calendar.objects.exists()


def test_a_calendar_that_never_opens_is_refused(root):
    answer = root.post(page("add"), OFFICE | {f"day{place}": "" for place in range(7)})

    assert "Open at least one hour a week" in answer.content.decode()
    assert not Calendar.objects.exists()


def test_a_queue_picks_its_calendar_and_the_calendar_tells_who_uses_it(root, cast):
    office = Calendar.objects.create(name="Office", time_zone="Europe/Berlin")
    queue = {"name": "General", "roles": [], "region": "", "impact_scale": "100"}
    weights = {f"weight_{name}": "0" for name in ("impact", "age", "confidence", "compliance")}
    sent = queue | weights | {"calendar": str(office.pk)}
    address = page("change", cast.queue.pk, model="reviews_queue")
    assert root.post(address, sent).status_code == 303

    assert Queue.objects.get(slug="general").calendar == office
    shown = root.get(page("change", office.pk)).content.decode()
    assert address in shown
    assert shown.count("09:00–18:00") >= 10  # the next opening hours, besides the week
    assert "Critical" in shown
    change = AuditEvent.objects.get(type="queue.changed").data["changes"]
    assert {"field": "Calendar", "before": "always open", "after": "Office"} in change
    assert root.get(page("delete", office.pk)).status_code == 200
    root.post(page("delete", office.pk), {"post": "yes"})
    assert Calendar.objects.exists()  # a queue's hours are not taken from under it


def test_only_who_manages_changes_them(cast):
    client = Client()
    client.force_login(cast.ann, backend="django.contrib.auth.backends.ModelBackend")

    assert client.get(page("add")).status_code == 403
    assert client.post(page("add"), OFFICE).status_code == 403
