"""A pipeline goes on exactly once, whoever tries: by webhook, by poll or by the client, at once."""

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hitl_client import (
    AlreadyConsumed,
    HitlClient,
    HumanStep,
    NeedsChanges,
    Pending,
    verify_webhook,
)

from tests import serving
from tests.journeys.driving import Caller, Demo, Receiver, Waiting

pytestmark = [pytest.mark.real, pytest.mark.once]

FORM = {"type": "input", "fields": [{"name": "signer", "type": "text", "required": True}]}
STATE = {"letter": 7, "signer": "nobody yet"}
HOUSE = """
from approvals.models import User
from approvals.services.keys import create_key
from audit.clock import db_now
owner = User.objects.get(username="ada")
key, token = create_key(name="letters", kind="service", owner=owner, now=db_now())
print(token, key.callback_secret)
"""


@pytest.fixture(scope="module")
def served(
    migrated_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[serving.Served]:
    folder = shutil.copytree(migrated_folder, tmp_path_factory.mktemp("resuming") / "data")
    seeded = serving.manage("seed_demo", folder=folder)
    assert seeded.returncode == 0, seeded.stderr
    with serving.serving(folder, HITL_OUTBOUND_ALLOWED="127.0.0.1:*") as service:
        yield service
        assert "Traceback" not in service.log


@pytest.fixture(scope="module")
def key(served: serving.Served) -> tuple[str, str]:
    made = serving.manage("shell", "--no-imports", "-c", HOUSE, folder=served.folder)
    assert made.returncode == 0, made.stderr
    token, secret = made.stdout.split()[:2]
    return token, secret


@pytest.fixture
def client(served: serving.Served, key: tuple[str, str]) -> Iterator[HitlClient]:
    with HitlClient(served.url, key[0]) as client:
        yield client


@pytest.fixture
def chloe(served: serving.Served) -> Caller:
    return Caller(served.url, Demo.read(served.folder).people["chloe"]["token"])


def step_of(client: HitlClient) -> HumanStep:
    return HumanStep(client, pipeline="letters", step="sign")


def sign(chloe: Caller, ticket: str) -> None:
    voted = chloe.vote(ticket, "submit", response={"signer": "Maria"})
    assert voted.status == 201, voted.body


def test_two_workers_that_try_at_once_go_on_once(client, chloe):
    step = step_of(client)
    for _ in range(5):
        ticket = step.pause_for_input(STATE, ui_schema=FORM)["interaction_id"]
        sign(chloe, ticket)
        tries = [Waiting(lambda ticket=ticket: step.resume(ticket)) for _ in range(4)]
        came = Counter()
        for one in tries:
            try:
                assert one.answer() == {"letter": 7, "signer": "Maria"}
                came["went on"] += 1
            except AlreadyConsumed:
                came["too late"] += 1
        assert came == {"went on": 1, "too late": 3}


def test_an_answer_before_anybody_waits_is_there_and_one_after_wakes_who_waits(client, chloe):
    step = step_of(client)
    before = step.pause_for_input(STATE, ui_schema=FORM)["interaction_id"]
    sign(chloe, before)
    assert step.resume(before, timeout=5) == {"letter": 7, "signer": "Maria"}
    after = step.pause_for_input(STATE, ui_schema=FORM)["interaction_id"]
    with pytest.raises(Pending):
        step.resume(after)
    waiting = Waiting(lambda: step.resume(after, timeout=30))
    sign(chloe, after)
    assert waiting.answer() == {"letter": 7, "signer": "Maria"}


def test_webhook_poll_and_client_bring_the_same_and_one_of_them_goes_on(client, key, chloe):
    receiver = Receiver()
    try:
        step = step_of(client)
        asked = step.pause_for_input(STATE, ui_schema=FORM, callback_url=receiver.url)
        ticket = asked["interaction_id"]
        sign(chloe, ticket)
        while True:
            headers, body = receiver.messages.get(timeout=30)
            event = verify_webhook(headers, body, key[1])
            if event["type"] == "ticket.decided":
                break
        by_poll = client.get_decision(ticket)
        by_webhook = event["data"]
        resume = {"letter": 7, "signer": "Maria"}
        assert by_webhook["pipeline"]["resume"] == by_poll["pipeline"]["resume"] == resume
        # Each holds what using the receipt up takes; only the first does.
        client.consume(event["subject"], by_webhook["approved"])
        with pytest.raises(AlreadyConsumed):
            client.consume(ticket, by_poll["approved"])
        with pytest.raises(AlreadyConsumed):
            step.resume(ticket)
    finally:
        receiver.stop()


def test_what_came_back_for_changes_is_no_answer_to_go_on_with(client, chloe):
    step = step_of(client)
    ticket = step.review({"generated_content": "Dear Ana"})["interaction_id"]
    more = {"response": {"feedback": "Say why."}}
    assert chloe.vote(ticket, "request_changes", **more).status == 201
    with pytest.raises(NeedsChanges):
        step.resume(ticket, timeout=5)
