"""A pipeline asks and ends; a person answers; another process goes on, whatever fell over."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from hitl_client import HitlClient, HumanStep
from playwright.sync_api import Browser

from tests import serving
from tests.browser.pipelines import Desk, id_of, resumed_elsewhere

pytestmark = pytest.mark.browser


@pytest.fixture
def folder(migrated_folder: Path, tmp_path: Path) -> Path:
    made = Path(shutil.copytree(migrated_folder, tmp_path / "data"))
    seeded = serving.manage("seed_demo", folder=made)
    assert seeded.returncode == 0, seeded.stderr
    return made


def broken(_data: dict[str, Any]) -> dict[str, Any]:
    raise ValueError("the scanner is out of paper")


def ask_everything(client: HitlClient, run: str) -> dict[str, dict[str, Any]]:
    """Ask in each of the ways a pipeline can, each in a step of its own."""
    letter = {"generated_content": "Dear Ana", "copies": 3}

    def at(step: str) -> HumanStep:
        return HumanStep(client, pipeline="letters", step=step, run_id=run)

    return {
        "input": at("sign").pause_for_input(letter, prompt="Who signs?"),
        "review": at("review").review(letter),
        "fallback": at("scan").with_fallback(letter, broken),
        "unsure": at("read").with_fallback(letter, lambda _: {"text": "?", "confidence": 0.5}),
        "refine": at("polish").refine({"current_result": "Dear Ana"}),
        "timed": at("send").decide_in_time(letter, decision_timeout=280),
        "together": at("paper").collaborate(
            letter, stakeholders=["chloe"], decision_type="majority", voting_options=["a4", "a5"]
        ),
        "approved": at("file").approve_by(letter, approvers=["chloe"], approval_type="any"),
    }


def test_every_kind_of_step_is_answered_by_a_person_and_resumed_elsewhere(
    browser: Browser, folder: Path
) -> None:
    known = json.loads((folder / "demo.json").read_text())
    key = known["service_key"]
    chloe = next(person for person in known["people"] if person["username"] == "chloe")

    with serving.serving(folder) as served, HitlClient(served.url, key) as client:
        asked = ask_everything(client, "spring")
        again = ask_everything(client, "spring")
        assert {n: id_of(r) for n, r in asked.items()} == {n: id_of(r) for n, r in again.items()}
        served.stop(signal.SIGKILL)

    with serving.serving(folder) as served, HitlClient(served.url, key) as client:
        desk = Desk(browser, served.url, chloe)
        step = HumanStep(client, pipeline="letters", step="any")

        desk.open(id_of(asked["input"]))
        desk.answer("Submit", Your_answer="Maria")
        desk.open(id_of(asked["review"]))
        desk.press("approve")
        desk.open(id_of(asked["fallback"]))
        assert "the scanner is out of paper" in desk.page.content()
        desk.answer("Submit", Result_found_by_hand="typed")
        desk.open(id_of(asked["unsure"]))
        desk.answer("Submit", Result_found_by_hand="Dear Ana")
        desk.open(id_of(asked["timed"]))
        desk.answer("Proceed", I_know_that_this_ends_soon="on")
        desk.open(id_of(asked["together"]))
        desk.press("a5")
        desk.open(id_of(asked["approved"]))
        desk.press("approve")

        refine = id_of(asked["refine"])
        desk.open(refine)
        desk.answer("Continue", Result="Dear Ana Maria")
        more = step.refined(refine)
        assert more is not None
        second = step.refine(more)
        assert (id_of(second), second["iteration"]) == (refine, 2)
        desk.open(refine)
        desk.answer("Done", Result="Dear Ana Maria, hello")
        assert step.refined(refine) is None
        desk.page.close()
        served.stop(signal.SIGKILL)

    with serving.serving(folder) as served:
        told = resumed_elsewhere(served.url, key, [*map(id_of, asked.values())])
    assert {second for _, second in told.values()} == {"already-consumed"}
    state = {name: told[id_of(result)][0] for name, result in asked.items()}
    letter = {"generated_content": "Dear Ana", "copies": 3}
    assert state["input"] == {**letter, "answer": "Maria"}
    assert state["review"] == letter
    assert state["fallback"] == {**letter, "manual_result": "typed", "confidence": 0.9}
    assert state["unsure"]["manual_result"] == "Dear Ana"
    assert state["timed"] == {**letter, "urgency_acknowledged": True}
    assert state["approved"] == letter
    assert state["refine"]["refined_result"] == "Dear Ana Maria, hello"
