"""One program that asks too much is refused, and fills nobody's mail box."""

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from approvals.errors import TooManyOpenings
from reviews.models import Delivery, Ticket
from reviews.services.deliveries import dispatch_due
from reviews.services.tickets import open_ticket
from tests.builders import bearer, make_region, make_service_key

pytestmark = pytest.mark.db


def test_what_a_key_opens_beyond_its_quota_is_refused_and_not_stored(cast, settings):
    settings.HITL_OPENINGS_PER_HOUR = 3
    for number in range(3):
        cast.open(title=f"n {number}")
    with pytest.raises(TooManyOpenings):
        cast.open()
    answer = cast.as_key().post("/api/v1/tickets", {"title": "One more"})
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-openings")
    assert 0 < int(answer.headers["Retry-After"]) <= 3600
    many = cast.as_key().post("/api/v1/tickets/bulk", {"tickets": [{"title": "a"}, {"title": "b"}]})
    assert "too-many-openings" in many.content.decode()
    assert Ticket.objects.count() == 3
    _, token = make_service_key(cast.max, name="another")
    assert bearer(token).post("/api/v1/tickets", {"title": "Mine"}).status_code == 201
    assert cast.as_person(cast.ann).get("/api/v1/tickets").status_code == 200


@pytest.fixture
def used_up(cast, settings):
    settings.HITL_OPENINGS_PER_HOUR = 1
    answered = cast.as_key().post(
        "/api/v1/tickets", {"title": "The first"}, headers={"Idempotency-Key": "first"}
    )
    assert answered.status_code == 201
    assert cast.as_key().post("/api/v1/tickets", {"title": "One more"}).status_code == 429


@pytest.mark.usefixtures("used_up")
@pytest.mark.parametrize("address", ["/api/v1/tickets", "/api/v1/tickets/bulk", "/hitl/tickets"])
def test_whoever_floods_is_refused_before_the_body_is_read(
    cast, address, django_assert_max_num_queries
):
    with django_assert_max_num_queries(1):  # whose key it is
        answer = cast.as_key().post(address, "no JSON at all", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (429, "too-many-openings")


@pytest.mark.usefixtures("used_up")
def test_a_repeated_call_is_answered_as_before_though_the_quota_is_used_up(cast):
    def again(key):
        return cast.as_key().post(
            "/api/v1/tickets", {"title": "The first"}, headers={"Idempotency-Key": key}
        )

    assert again("first").status_code == 201
    with CaptureQueriesContext(connection) as asked:
        assert again("second").status_code == 429
    assert not [one["sql"] for one in asked if "INSERT" in one["sql"]]


def test_where_the_quota_ends_within_a_list_the_rest_is_refused_at_once(cast, settings):
    settings.HITL_OPENINGS_PER_HOUR = 2
    many = [{"title": f"n {number}"} for number in range(40)]
    with CaptureQueriesContext(connection) as asked:
        answer = cast.as_key().post("/api/v1/tickets/bulk", {"tickets": many}).json()
    assert (answer["opened"], answer["refused"]) == (2, 38)
    assert {one["problem"]["code"] for one in answer["results"][2:]} == {"too-many-openings"}
    assert sum(one["sql"].startswith("SAVEPOINT") for one in asked) <= 6


def test_people_are_no_programs(cast, settings):
    settings.HITL_OPENINGS_PER_HOUR = 1
    for _ in range(3):
        cast.vote(
            cast.open() if not Ticket.objects.exists() else by_hand(cast), cast.ann, "approve"
        )


def by_hand(cast):
    from reviews.services.requests import TicketRequest

    return open_ticket(requester=cast.otto, key=None, request=TicketRequest(title="By hand"))


@pytest.fixture
def mailed(settings):
    settings.MAIL_NOTICES = True

    def sent():
        dispatch_due()
        told = [message.to[0] for message in mail.outbox]
        mail.outbox.clear()
        return told.count("ann@example.org")

    return sent


def test_the_same_asked_twice_is_told_once(cast, mailed, settings):
    settings.HITL_NOTICES_PER_HOUR = 60
    cast.open(title="Pay ACME")
    assert mailed() == 1
    cast.open(title="Pay ACME")
    assert mailed() == 0
    (hushed,) = Delivery.objects.filter(channel="notice", state="sent", sent_at=None)
    assert "within the hour" in hushed.last_error
    cast.open(title="Pay ACME", proposal={"total": 901})
    assert mailed() == 1
    cast.open(title="Pay ACME", region=make_region("north", cast.ann, cast.ben).slug)
    assert mailed() == 1


def test_without_a_limit_each_is_told(cast, mailed):
    for _ in range(2):
        cast.open(title="Pay ACME")
        assert mailed() == 1


def test_of_a_flood_people_hear_so_often_and_no_more(cast, mailed, settings):
    settings.HITL_NOTICES_PER_HOUR = 4
    for number in range(10):
        cast.open(title=f"n {number}")
    assert mailed() == 4
    _, token = make_service_key(cast.max, name="another")
    assert bearer(token).post("/api/v1/tickets", {"title": "Mine"}).status_code == 201
    assert mailed() == 1


def test_a_cache_that_is_away_refuses_nobody_too_early(cast, settings, monkeypatch):
    settings.HITL_OPENINGS_PER_HOUR = 2

    def away(*_, **__):
        raise OSError

    monkeypatch.setattr(type(cache._connections["default"]), "incr", away)
    cast.open()
    cast.open()
    with pytest.raises(TooManyOpenings):
        cast.open()
