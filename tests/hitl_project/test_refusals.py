"""A flood is refused for less than it costs to read it, and never for longer than it should be."""

import asyncio

import pytest
from asgiref.testing import ApplicationCommunicator
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse

from hitl_project.handlers import HttpHandler
from hitl_project.refusals import Refusals
from tests.builders import make_cast

MINUTE = 1_000_020.0


def call(**headers: str) -> dict:
    given = {"authorization": "Bearer one", **headers}
    return {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/tickets",
        "query_string": b"",
        "client": ("10.0.0.1", 1),
        "headers": [(name.replace("_", "-").encode(), v.encode()) for name, v in given.items()],
    }


class Told:
    """Refusals at an instant that a test sets."""

    def __init__(self) -> None:
        self.now = MINUTE + 10
        self.refusals = Refusals(clock=lambda: self.now)

    def keep(self, *, status: int = 429, marked: bool = True, **headers: str) -> None:
        request = ASGIRequest(call(**headers), None)
        request.told_to_wait = marked
        self.refusals.keep(request, HttpResponse(b"later", status=status))

    def known(self, **headers: str) -> bool:
        return self.refusals.known(call(**headers)) is not None


def test_a_refusal_stands_for_a_second_for_its_caller_alone():
    told = Told()
    assert not told.known()
    told.keep()
    assert told.known()
    assert not told.known(authorization="Bearer another")
    told.now += 1
    assert not told.known()


def test_a_refusal_never_outlives_the_minute_its_limit_was_for():
    told = Told()
    told.now = MINUTE + 59.8
    told.keep()
    assert told.known()
    told.now = MINUTE + 60
    assert not told.known()


def test_only_what_was_marked_is_told_again():
    told = Told()
    told.keep(marked=False)
    told.keep(status=201)
    assert not told.known()


def test_a_call_that_may_have_been_answered_before_is_always_looked_up():
    told = Told()
    told.keep(idempotency_key="a")
    assert not told.known(idempotency_key="a")
    told.keep()
    assert not told.known(idempotency_key="a")


@pytest.mark.real
def test_whoever_floods_is_told_so_again_without_a_thread(settings):
    settings.HITL_OPENINGS_PER_HOUR = 1
    cast = make_cast()
    handler = HttpHandler()

    async def asked(token: str) -> list[dict]:
        scope = call(
            host="localhost", authorization=f"Bearer {token}", content_type="application/json"
        )
        there = ApplicationCommunicator(handler, scope)
        await there.send_input({"type": "http.request", "body": b'{"title": "One"}'})
        answer = [await there.receive_output(20), await there.receive_output(20)]
        await there.wait()
        return answer

    def opened(token: str) -> tuple[int, dict[bytes, bytes], bytes]:
        start, body = asyncio.run(asked(token))
        return start["status"], dict(start["headers"]), body["body"]

    assert [opened(cast.token)[0] for _ in range(3)] == [201, 429, 429]
    handler.answering = None  # whoever would need it now fails
    status, headers, body = opened(cast.token)
    assert (status, int(headers[b"Retry-After"]) > 0) == (429, True)
    assert b"too-many-openings" in body
