"""Feature flags: off means recorded as passed, with a banner, never silently."""

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from reviews.models import Checkpoint
from reviews.ready.checkpoints import READY
from reviews.services.ready import load_ready
from tests.builders import make_checkpoint, make_policy

pytestmark = pytest.mark.db

PURCHASE = {
    "checkpoint": "data-purchase",
    "title": "Buy records",
    "proposal": {
        "business_count": 5000,
        "total_cost": 900,
        "quality_metrics": {"valid": 0.9},
        "justification": "Leads.",
    },
}
OFF = "Switched off by HITL_DATA_PURCHASE: everything passes."
ALL_OFF = "Switched off by ENABLE_HUMAN_IN_THE_LOOP: everything passes."


@pytest.fixture
def ready(cast, settings):
    load_ready()
    settings.HITL_FLAGS = {"data-purchase": False, "email-campaign": True}
    return cast


def desk(cast, path=""):
    client = Client()
    client.force_login(cast.ann, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(f"/admin/reviews/ticket/{path}").content.decode()


def test_what_a_flag_lets_pass_is_recorded_as_passed_by_it(ready):
    opened = ready.as_key().post("/api/v1/tickets", PURCHASE).json()
    events = ready.as_key().get(f"/api/v1/tickets/{opened['id']}/events").json()["data"]

    assert (opened["status"], opened["allowed"]) == ("approved", True)
    assert opened["decision"]["by"] == "flag"
    assert (opened["rule"]["name"], opened["rule"]["why"]) == ("switched off", OFF)
    assert [event["type"] for event in events] == ["ticket.opened", "ticket.decided"]
    assert events[1]["data"]["by"] == "flag"


def test_the_other_checkpoints_still_ask(ready):
    assert ready.open().status == "pending"


def test_the_one_switch_lets_everything_pass(ready, settings):
    settings.HITL_FLAGS = {}
    settings.ENABLE_HUMAN_IN_THE_LOOP = False
    ticket = ready.open()
    assert (ticket.status, ticket.decision.by, ticket.rule["why"]) == ("approved", "flag", ALL_OFF)


def test_the_desk_says_so_above_the_queue_and_on_the_ticket(ready, settings):
    waiting = ready.open()
    opened = ready.as_key().post("/api/v1/tickets", PURCHASE).json()

    assert f"Data purchase</bdi>: {OFF}" in desk(ready)
    assert OFF in desk(ready, f"{opened['id']}/change/")
    assert "Switched off by" not in desk(ready, f"{waiting.pk}/change/")
    settings.ENABLE_HUMAN_IN_THE_LOOP = False
    assert desk(ready).count("Switched off by") == 1
    assert f"All checkpoints</bdi>: {ALL_OFF}" in desk(ready)
    assert ALL_OFF in desk(ready, f"{waiting.pk}/change/")


def test_while_nothing_is_off_the_desk_says_nothing(ready, settings):
    settings.HITL_FLAGS = {"email-campaign": True}
    assert "Switched off" not in desk(ready)


def test_a_flag_of_no_checkpoint_is_no_banner(ready, settings):
    settings.HITL_FLAGS = {"nowhere": False}
    assert "Switched off" not in desk(ready)


def test_the_interface_says_which_checkpoints_are_on(ready):
    rows = ready.as_key().get("/api/v1/checkpoints").json()["data"]
    told = {row["slug"]: (row["enabled"], row["asks"], row["switched_off_by"]) for row in rows}
    assert told["data-purchase"] == (False, False, "HITL_DATA_PURCHASE")
    assert told["general"] == (True, True, None)


def test_a_switched_off_checkpoint_keeps_the_service_ready(ready):
    from hitl_project import probes

    assert not {"flags", "checkpoints"} & probes.faults().keys()


@pytest.mark.parametrize(
    "slug, words",
    [
        ("data-dir", "HITL_DATA_DIR is a setting"),
        ("signing-key", "HITL_SIGNING_KEY is a setting"),
        ("Data_Dir", "HITL_DATA_DIR is a setting"),
        ("token", "HITL_TOKEN is a setting"),
        ("purchase-file", "ends in _FILE"),
        ("purchase_file", "ends in _FILE"),
    ],
)
def test_a_slug_whose_variable_means_something_else_is_refused(cast, slug, words):
    checkpoint = Checkpoint(slug=slug, title="X", question=make_policy("x"))
    with pytest.raises(ValidationError) as refused:
        checkpoint.full_clean()
    assert words in refused.value.message_dict["slug"][0]


def test_the_ready_ones_and_any_other_name_are_fine(cast):
    for data in READY:
        Checkpoint(slug=data["slug"], title="X", question=make_policy(f"p-{data['slug']}")).clean()
    Checkpoint(slug="filed", title="X", question=make_policy("x")).clean()


def test_a_slug_with_underscores_is_switched_by_its_variable_too(cast, settings):
    make_checkpoint("tax_return", question=make_policy("tax"))
    settings.HITL_FLAGS = {"tax-return": False}
    assert cast.open(checkpoint="tax_return").decision.by == "flag"
