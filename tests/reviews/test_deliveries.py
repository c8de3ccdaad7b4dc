"""What leaves: at least once, under one id, signed so that others can tell."""

import json
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import Count
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from approvals.errors import Invalid, NotVisible, WrongState
from audit.clock import db_now, shifted
from audit.ids import new_id
from audit.models import AuditEvent
from reviews.channels import Outcome
from reviews.models import Delivery, WebhookEndpoint
from reviews.services import deliveries
from reviews.services.deliveries import MOST_UNFINISHED, deliver_again, dispatch_due
from reviews.services.endpoints import (
    create_endpoint,
    disable_endpoint,
    enable_endpoint,
    rotate_secret,
    send_test,
)
from reviews.services.outcomes import RETRY_AFTER, note
from reviews.services.tickets import revoke_ticket
from tests.builders import Cast


class Receiver:
    """Somebody else's server: keeps every message and answers what it is told to."""

    def __init__(self) -> None:
        self.messages: list[tuple[dict[str, str], bytes]] = []
        self.status: int | Callable[[dict[str, str]], int] = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.messages.append((headers, body))
                status = receiver.status
                self.send_response(status(headers) if callable(status) else status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def ids(self) -> list[str]:
        return [headers["webhook-id"] for headers, _ in self.messages]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.HITL_OUTBOUND_ALLOWED = (("127.0.0.1", "*"),)
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def endpoint(cast: Cast, receiver: Receiver) -> WebhookEndpoint:
    return create_endpoint(
        name="Ledger", url=receiver.url, types=["ticket.decided", "ticket.opened"], by=cast.max
    )


def later(**time: float) -> Any:
    return shifted(timedelta(**time))


@pytest.mark.db
def test_a_decision_arrives_as_a_cloud_event_that_others_can_verify(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    ticket = cast.open(title="Pay ACME")
    cast.vote(ticket, cast.ann, "approve")
    assert dispatch_due() == 2
    told = {}
    for headers, body in receiver.messages:
        event = Webhook(endpoint.secret).verify(body, headers)
        told[event["type"]] = event
        assert headers["content-type"].startswith("application/cloudevents+json")
        assert headers["user-agent"].startswith("Countersign/")
    assert set(told) == {"ticket.opened", "ticket.decided"}
    decided = told["ticket.decided"]
    assert decided["specversion"] == "1.0"
    assert decided["subject"] == str(ticket.pk)
    assert decided["data"]["allowed"] is True
    assert AuditEvent.objects.filter(pk=decided["id"], type="ticket.decided").exists()
    assert dispatch_due() == 0
    assert len(receiver.messages) == 2


@pytest.mark.db
def test_a_message_changed_on_the_way_does_not_verify(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    cast.open()
    dispatch_due()
    headers, body = receiver.messages[0]
    Webhook(endpoint.secret).verify(body, headers)
    for name, value in (("webhook-id", "other"), ("webhook-signature", "v1,AAAA")):
        with pytest.raises(WebhookVerificationError):
            Webhook(endpoint.secret).verify(body, {**headers, name: value})
    with pytest.raises(WebhookVerificationError):
        Webhook(endpoint.secret).verify(body.replace(b"opened", b"closed"), headers)


@pytest.mark.db
def test_failures_are_repeated_by_the_table_under_one_id_and_then_parked(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.status = 500
    cast.open()
    elapsed = timedelta(0)
    for attempt, pause in enumerate(RETRY_AFTER, start=1):
        elapsed += pause
        if attempt > 1:
            with shifted(elapsed - timedelta(seconds=3)):
                assert dispatch_due() == 0
        elapsed += timedelta(seconds=1)
        with shifted(elapsed):
            assert dispatch_due() == 1
        assert len(receiver.messages) == attempt
    (delivery,) = Delivery.objects.all()
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("parked", 10, 500)
    assert delivery.last_error == "The receiver answered 500."
    assert len(set(receiver.ids)) == 1
    with shifted(elapsed + timedelta(days=30)):
        assert dispatch_due() == 0


@pytest.mark.db
def test_a_parked_delivery_can_be_sent_again_under_its_old_id(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    cast.open()
    Delivery.objects.update(state="parked", attempts=10, next_attempt_at=None)
    (delivery,) = Delivery.objects.all()
    deliver_again(delivery_id=delivery.pk, by=cast.max)
    assert dispatch_due() == 1
    assert receiver.ids == [str(delivery.pk)]
    deliver_again(delivery_id=delivery.pk, by=cast.max)  # what arrived may be asked for once more
    with pytest.raises(WrongState, match="waits for its next attempt anyway"):
        deliver_again(delivery_id=delivery.pk, by=cast.max)
    assert dispatch_due() == 1
    assert receiver.ids == [str(delivery.pk)] * 2
    disable_endpoint(endpoint_id=endpoint.pk, why="Moving house.", by=cast.max)
    with pytest.raises(WrongState):
        deliver_again(delivery_id=delivery.pk, by=cast.max)
    with pytest.raises(NotVisible):
        deliver_again(delivery_id=new_id(), by=cast.max)


@pytest.mark.db
def test_a_receiver_that_answers_410_hears_no_more(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    cast.open(title="first")
    receiver.status = 410
    assert dispatch_due() == 1
    endpoint.refresh_from_db()
    assert endpoint.disabled_at is not None
    assert "410" in endpoint.disabled_why
    cast.open(title="second")
    assert dispatch_due() == 0
    assert [d.state for d in Delivery.objects.all()] == ["parked"]
    assert AuditEvent.objects.filter(type="webhook.disabled", reason__contains="410").count() == 1


@pytest.mark.db
def test_what_waits_for_an_endpoint_is_parked_when_it_is_disabled(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    cast.open()
    disable_endpoint(endpoint_id=endpoint.pk, why="Moving house.", by=cast.max)
    assert dispatch_due() == 0
    assert Delivery.objects.get().state == "parked"
    with pytest.raises(WrongState):
        send_test(endpoint_id=endpoint.pk, by=cast.max)
    enable_endpoint(endpoint_id=endpoint.pk, by=cast.max)
    cast.open()
    assert dispatch_due() == 1
    assert len(receiver.messages) == 1


@pytest.mark.db
def test_both_secrets_sign_for_a_day_after_a_rotation(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    old = endpoint.secret
    new = rotate_secret(endpoint_id=endpoint.pk, by=cast.max).secret
    assert new != old
    cast.open()
    dispatch_due()
    headers, body = receiver.messages[0]
    assert len(headers["webhook-signature"].split()) == 2
    for secret in (old, new):
        Webhook(secret).verify(body, headers)
    with later(hours=25):
        cast.open()
        dispatch_due()
    headers, body = receiver.messages[1]
    assert len(headers["webhook-signature"].split()) == 1


@pytest.mark.db
def test_a_ping_travels_the_way_of_everything_else(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    delivery = send_test(endpoint_id=endpoint.pk, by=cast.max)
    assert dispatch_due() == 1
    headers, body = receiver.messages[0]
    assert Webhook(endpoint.secret).verify(body, headers)["type"] == "ping"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.last_status) == ("sent", 204)


@pytest.mark.db
def test_a_callback_is_signed_with_the_secret_of_its_key(cast: Cast, receiver: Receiver) -> None:
    ticket = cast.open(callback_url=receiver.url)
    assert dispatch_due() == 0  # opened is no news to the caller
    cast.vote(ticket, cast.ann, "approve")
    assert dispatch_due() == 1
    headers, body = receiver.messages[0]
    event = Webhook(cast.key.callback_secret).verify(body, headers)
    assert event["type"] == "ticket.decided"


@pytest.mark.db
def test_a_callback_is_tried_again_by_the_table_and_410_ends_it(
    cast: Cast, receiver: Receiver
) -> None:
    receiver.status = 500
    cast.vote(cast.open(callback_url=receiver.url), cast.ann, "approve")
    dispatch_due()
    row = Delivery.objects.get()
    assert (row.state, row.attempts, row.last_status) == ("waiting", 1, 500)
    receiver.status = 410
    with later(seconds=6):
        assert dispatch_due() == 1
    row.refresh_from_db()
    assert (row.state, row.last_status) == ("parked", 410)
    revoke_ticket(ticket_id=row.ticket_id, by=cast.ann, reason="Wrong one.")
    assert dispatch_due() == 1
    later_one = Delivery.objects.get(type="ticket.revoked")
    assert (later_one.state, later_one.last_status) == ("parked", None)
    assert "410 before" in later_one.last_error
    assert len(set(receiver.ids)) == 1
    deliver_again(delivery_id=row.pk, by=cast.max)
    receiver.status = 204
    assert dispatch_due() == 1


@pytest.mark.db
def test_a_callback_to_the_inside_is_parked_and_nothing_is_called(
    cast: Cast, receiver: Receiver, settings: Any
) -> None:
    settings.HITL_OUTBOUND_ALLOWED = ()
    ticket = cast.open(callback_url=receiver.url)
    cast.vote(ticket, cast.ann, "approve")
    assert dispatch_due() == 1
    assert Delivery.objects.get().state == "parked"
    assert receiver.messages == []


@pytest.mark.db
def test_poison_among_many_is_parked_and_the_others_arrive(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    now = db_now()
    rows = [
        Delivery(
            event_id=new_id(),
            type="ticket.opened",
            channel="webhook" if number % 20 else ("webhook", "no-such-way")[number % 40 == 0],
            target=f"{endpoint.pk}",
            endpoint=endpoint if number % 20 or number % 40 == 0 else None,
            body={"n": number},
            created_at=now,
            next_attempt_at=now,
        )
        for number in range(200)
    ]
    Delivery.objects.bulk_create(rows)
    assert dispatch_due() == 200
    assert Delivery.objects.filter(state="sent").count() == 190
    assert Delivery.objects.filter(state="parked").exclude(last_error="").count() == 10
    assert len(set(receiver.ids)) == len(receiver.ids) == 190


@pytest.mark.db
def test_what_ends_its_process_goes_alone_and_takes_no_other_with_it(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    for number in range(4):
        cast.open(title=f"n {number}")
    poison = Delivery.objects.order_by("id")[2].pk
    began = 0
    for run in range(12):
        with later(minutes=2 * run):
            claimed = deliveries._claim()
            ids = [row.pk for row in claimed]
            began += poison in ids
            if poison not in ids:  # the process lives, and tells of what it sent
                note([(row, Outcome("sent", 204)) for row in claimed])
    told = dict(Delivery.objects.values_list("state").annotate(Count("pk")))
    assert (told, began) == ({"sent": 3, "parked": 1}, MOST_UNFINISHED)
    assert Delivery.objects.get(pk=poison).last_error == "No attempt came to an end."


@pytest.mark.db
def test_every_failed_attempt_leaves_its_reason(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    receiver.status = 503
    cast.open()
    dispatch_due()
    receiver.status = 204
    with later(seconds=6):
        dispatch_due()
    delivery = Delivery.objects.get()
    (failure,) = delivery.failures.all()
    assert (delivery.state, delivery.attempts) == ("sent", 2)
    assert (failure.number, failure.status) == (1, 503)
    assert failure.error == "The receiver answered 503."


@pytest.mark.db
def test_what_a_batch_has_no_time_for_is_given_back_untried(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast.open()
    monkeypatch.setattr(deliveries, "BEGUN_WITHIN", 0.0)
    with deliveries.ThreadPoolExecutor(2) as pool:
        assert deliveries._attempt(deliveries._claim(), pool) == 0
    delivery = Delivery.objects.get()
    assert (delivery.attempts, delivery.unfinished, receiver.ids) == (0, 0, [])
    monkeypatch.undo()
    assert dispatch_due() == 1


@pytest.mark.db
def test_a_body_that_has_no_bytes_is_parked_with_a_reason(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    cast.open()
    Delivery.objects.update(body={"n": 2**60})
    assert dispatch_due() == 1
    delivery = Delivery.objects.get()
    assert delivery.state == "parked"
    assert "cannot be built" in delivery.last_error


@pytest.mark.db
def test_a_lease_that_ends_is_taken_up_again_and_never_for_ever(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    cast.open()
    deliveries._claim()  # a run that dies right after claiming
    assert dispatch_due() == 0
    with later(seconds=61):
        assert dispatch_due() == 1
    assert Delivery.objects.get().state == "sent"
    cast.open()
    row = Delivery.objects.get(state="waiting")
    for attempt in range(1, MOST_UNFINISHED + 1):
        with later(hours=attempt):
            assert len(deliveries._claim()) == 1
    with later(hours=11):
        assert deliveries._claim() == []
    row.refresh_from_db()
    assert (row.state, row.last_error) == ("parked", "No attempt came to an end.")


@pytest.mark.db
def test_an_answer_after_the_lease_ended_still_counts_as_sent(
    cast: Cast, endpoint: WebhookEndpoint
) -> None:
    cast.open()
    (first,) = deliveries._claim()
    with later(seconds=61):
        (second,) = deliveries._claim()
    note([(first, Outcome("retry", 500, "late"))])
    row = Delivery.objects.get()
    assert (row.attempts, row.last_error) == (2, "")  # the second attempt has the word
    note([(first, Outcome("sent", 204))])
    note([(second, Outcome("retry", 500, "no"))])
    assert Delivery.objects.get().state == "sent"


@pytest.mark.db
def test_a_receiver_that_takes_all_the_time_steps_aside_for_the_others(
    cast: Cast, endpoint: WebhookEndpoint
) -> None:
    for number in range(12):
        cast.open(title=f"n {number}")
    deliveries.BATCH, batch = 8, deliveries.BATCH
    try:
        claimed = deliveries._claim()
    finally:
        deliveries.BATCH = batch
    assert len(claimed) == 8
    note([(claimed[0], Outcome("retry", None, "slow", slow=True))])
    assert deliveries._claim() == []
    with later(seconds=31):
        assert len(deliveries._claim()) == 5


@pytest.mark.db
@pytest.mark.parametrize(
    "more, pointer",
    [
        ({"url": "http://example.com/"}, "/url"),
        ({"url": "https://10.0.0.1/"}, "/url"),
        ({"url": "https://example.com/" + "a" * 500}, "/url"),
        ({"types": ["ticket.exploded"]}, "/types"),
        ({"name": ""}, "/name"),
    ],
)
def test_an_endpoint_that_could_not_work_is_refused(
    cast: Cast, more: dict[str, Any], pointer: str
) -> None:
    given: dict[str, Any] = {"name": "Ledger", "url": "https://example.com/hook", **more}
    with pytest.raises(Invalid) as raised:
        create_endpoint(by=cast.max, **given)
    assert [error["pointer"] for error in raised.value.errors] == [pointer]


@pytest.mark.real
def test_two_dispatchers_share_the_work_and_send_nothing_twice(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver
) -> None:
    now = db_now()
    Delivery.objects.bulk_create(
        Delivery(
            event_id=new_id(),
            type="ticket.opened",
            channel="webhook",
            target=f"{endpoint.pk}",
            endpoint=endpoint,
            body={"n": number},
            created_at=now,
            next_attempt_at=now,
        )
        for number in range(120)
    )
    together = threading.Barrier(2)

    def run() -> None:
        together.wait()
        deliveries._dispatch(until=float("inf"))
        connections.close_all()

    runs = [threading.Thread(target=run) for _ in range(2)]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join(60)
    assert Delivery.objects.filter(state="sent").count() == 120
    assert len(receiver.ids) == len(set(receiver.ids)) == 120
    assert {json.loads(body)["n"] for _, body in receiver.messages} == set(range(120))
    if connection.vendor == "postgresql":
        assert Delivery.objects.filter(attempts=1).count() == 120


@pytest.mark.db
def test_what_is_slow_to_build_leaves_all_the_same_some_at_a_time(
    cast: Cast, endpoint: WebhookEndpoint, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "BUILT_WITHIN", 0.0)
    for _ in range(3):
        cast.open()
    assert dispatch_due() == 3
    assert len(receiver.messages) == 3
    assert set(Delivery.objects.values_list("state", "attempts")) == {("sent", 1)}
