"""The patterns in which people and machines share a decision, each across two crashes.

A program opens its steps and the service is killed; people answer in their browsers and it is
killed again; another process goes on, once.
"""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from hitl_client import Expired, HitlClient, HumanStep, verify_webhook
from playwright.sync_api import Browser, expect

from tests import serving
from tests.browser.calls import Api
from tests.browser.pipelines import Desk, id_of, resumed_elsewhere
from tests.journeys.driving import Receiver

pytestmark = pytest.mark.browser

HOUSE = """
from approvals.models import User
from approvals.services.keys import create_key
from audit.clock import db_now
from tests.stories import checkpoint, question
ada = User.objects.get(username="ada")
key, token = create_key(name="patterns", kind="service", owner=ada, now=db_now())
print(token, key.callback_secret)
checkpoint("after", question("post-approval"), safeguards={"silence_may_allow": True})
checkpoint("brisk", question("time-boxed", silence="proceed"), presets=["time-boxed"],
           safeguards={"silence_may_allow": True})
checkpoint("roads", question("options"), view={"blind": True})
checkpoint("rollout", question("stepwise"))
checkpoint("sorted", question("approval"), rules=[
    {"name": "sure", "when": "ai.confidence > 0.95", "then": "allow", "band": "auto_approve"},
    {"name": "later", "when": "ai.confidence > 0.80", "then": "ask", "priority": "medium"},
    {"name": "now", "when": "ai.confidence <= 0.80", "then": "ask", "priority": "high"},
])
"""
LETTER = {"generated_content": "Dear Ana", "copies": 3}
COSTS = {
    "daily_spend": 91, "daily_budget": 100, "operation_cost": 60, "projected_month": 2900,
    "monthly_budget": 2500, "breakdown": {"search": 40, "writing": 51},
}  # fmt: skip
OFFERS = [
    {"key": key, "label": f"By {key}", "confidence": sure, "pros": [f"{key} is quick"],
     "cons": [f"{key} is dear"]}
    for key, sure in (("air", 0.9), ("sea", 0.6), ("rail", 0.3))
]  # fmt: skip


def house(made: Path) -> tuple[str, str]:
    """Set up people and checkpoints; return a service key and the secret of its callbacks."""
    seeded = serving.manage("seed_demo", folder=made)
    assert seeded.returncode == 0, seeded.stderr
    built = serving.manage("shell", "--no-imports", "-c", HOUSE, folder=made)
    assert built.returncode == 0, built.stderr
    token, secret = built.stdout.split()[:2]
    return token, secret


def ask(client: HitlClient, callback: str) -> dict[str, str]:
    """Open one ticket for each pattern; return their ids."""

    def at(step: str, checkpoint: str = "general") -> HumanStep:
        return HumanStep(
            client, pipeline="patterns", step=step, checkpoint=checkpoint, run_id="spring"
        )

    state = {"pipeline": {"name": "patterns", "step": "any", "state": {"parcel": 7}}}
    three = ["ana", "ben", "chloe"]
    steps = {
        "majority": at("paper").collaborate(
            LETTER, stakeholders=three, decision_type="majority", voting_options=["a4", "a5"]
        ),
        "consensus": at("ink").collaborate(LETTER, stakeholders=three),
        "all": at("sign").approve_by(LETTER, approvers=["ana", "chloe"]),
        "silent no": at("send").decide_in_time(LETTER, decision_timeout=2),
        "silent yes": at("post", "brisk").decide_in_time(
            LETTER, decision_timeout=2, default_action="proceed"
        ),
    }
    found = {name: id_of(result) for name, result in steps.items()}
    asked: dict[str, dict[str, Any]] = {
        "after": {"checkpoint": "after", "priority": "low", "callback_url": callback},
        "pick": {"checkpoint": "roads", "ai": {"confidence": 0.9, "options": OFFERS}},
        "rollout": {"checkpoint": "rollout"},
        "sure": {"checkpoint": "sorted", "ai": {"confidence": 0.97}},
        "unsure": {"checkpoint": "sorted", "ai": {"confidence": 0.85}},
        "lost": {"checkpoint": "sorted", "ai": {"confidence": 0.5}},
    }
    for name, fields in asked.items():
        opened = client.submit_for_review({"parcel": 7}, title=name, **state, **fields)
        found[name] = opened["id"]
    alert = client.submit_for_review(COSTS, title="alert", checkpoint="cost-threshold", **state)
    return {**found, "alert": alert["id"]}


def test_every_pattern_of_sharing_a_decision_outlives_two_crashes(
    browser: Browser, migrated_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(migrated_folder, tmp_path / "data"))
    key, secret = house(folder)
    known = json.loads((folder / "demo.json").read_text())
    people = {person["username"]: person for person in known["people"]}
    receiver = Receiver()
    allowed = {"HITL_OUTBOUND_ALLOWED": f"127.0.0.1:{receiver.port}"}
    with serving.serving(folder, **allowed) as served:
        with HitlClient(served.url, key) as client:
            asked = ask(client, receiver.url)
            opened = {name: client.get_decision(ticket) for name, ticket in asked.items()}
        # By confidence: the sure one passes, the others wait, the more doubtful the sooner.
        assert {n: opened[n]["allowed"] for n in ("sure", "unsure", "lost", "after")} == {
            "sure": True, "unsure": None, "lost": None, "after": True,
        }  # fmt: skip
        assert opened["sure"]["rule"]["band"] == "auto_approve"
        assert (opened["unsure"]["priority"], opened["lost"]["priority"]) == ("medium", "high")
        served.stop(signal.SIGKILL)

    with serving.serving(folder, **allowed) as served:
        desks = {name: Desk(browser, served.url, people[name]) for name in ("ana", "ben", "chloe")}
        for name, votes in {
            "majority": {"ana": "a4", "ben": "a5", "chloe": "a4"},
            "consensus": {"ana": "approve", "ben": "approve", "chloe": "approve"},
            "all": {"ana": "approve", "chloe": "approve"},
            "pick": {"chloe": "sea"},
            "rollout": {"chloe": "approve"},
            "unsure": {"chloe": "approve"},
            "lost": {"chloe": "approve"},
        }.items():
            for person, choice in votes.items():
                desk = desks[person]
                desk.open(asked[name])
                if name == "pick":
                    for offer in OFFERS:
                        expect(desk.page.get_by_text(offer["pros"][0], exact=True)).to_be_visible()
                        expect(desk.page.get_by_text(offer["cons"][0], exact=True)).to_be_visible()
                    expect(desk.page.get_by_text("0.90")).to_have_count(0)
                if name == "rollout":
                    expect(desk.page.get_by_text("A step to 10 %")).to_be_visible()
                desk.press(choice)
        chloe = desks["chloe"]
        chloe.open(asked["after"])
        expect(chloe.page.get_by_text("It has already been done")).to_be_visible()
        chloe.answer("Override", New_decision="refund them")
        overridden = heard(receiver, secret, "ticket.overridden")
        assert overridden["subject"] == asked["after"]
        assert overridden["data"]["allowed"] is False
        assert overridden["data"]["decision"]["response"] == {"new_decision": "refund them"}
        chloe.open(asked["alert"])
        chloe.answer("Increase the budget", New_limit="4000")
        for desk in desks.values():
            desk.page.close()
        served.stop(signal.SIGKILL)

    with serving.serving(folder, **allowed) as served, HitlClient(served.url, key) as client:
        silent = client.wait_for_decision(asked["silent no"], timeout=30)
        assert (silent["status"], silent["decision"]["outcome"]) == ("expired", "abort")
        with pytest.raises(Expired):
            HumanStep(client, pipeline="patterns", step="any").resume(asked["silent no"])
        yes = client.wait_for_decision(asked["silent yes"], timeout=30)
        assert (yes["decision"]["by"], yes["decision"]["timeout_applied"]) == ("timeout", True)

        going_on = ["majority", "consensus", "all", "silent yes", "pick", "unsure", "lost", "alert"]
        told = resumed_elsewhere(served.url, key, [asked[name] for name in going_on])
        for name in going_on:
            state, again = told[asked[name]]
            assert state.items() >= (LETTER if name in told_letters() else {"parcel": 7}).items()
            assert again == "already-consumed"
        outcomes = {name: client.get_decision(asked[name])["decision"] for name in going_on}
        assert [outcomes[n]["outcome"] for n in ("majority", "pick")] == ["a4", "sea"]
        assert outcomes["alert"]["response"] == {"acknowledged": True, "new_limit": 4000}
        assert told[asked["alert"]][0].items() >= {"parcel": 7, "new_limit": 4000}.items()
        roll_out(client, Api(served.url, people["chloe"]["token"]), asked["rollout"])
    receiver.stop()


def told_letters() -> set[str]:
    return {"majority", "consensus", "all", "silent yes"}


def heard(receiver: Receiver, secret: str, type: str) -> dict[str, Any]:
    """Return the first genuine message of a type that came back to the program."""
    while True:
        headers, body = receiver.messages.get(timeout=30)
        event = verify_webhook(headers, body, secret)
        if event["type"] == type:
            return event


def roll_out(client: HitlClient, chloe: Api, first: str) -> None:
    """Apply each step; the next is asked about only then, and the last asks about nothing more."""
    steps, ticket = [], first
    while True:
        asked = client.get_decision(ticket)
        steps.append(asked["policy"]["repeat"]["steps"][0])
        if asked["allowed"] is None:
            chloe.call("POST", f"/tickets/{ticket}/votes", {"choice": "approve", "version": 1})
        used = client.consume(ticket, {"parcel": 7})
        noted = client.record_result(ticket, used["consumption_id"], "applied")
        if noted["next"] is None:
            break
        ticket = noted["next"]
    assert steps == [10, 50, 100]
