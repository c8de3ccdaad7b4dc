"""A pipeline asks and ends; a person answers; another process goes on, whatever fell over."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hitl_client import HitlClient, HumanStep
from playwright.sync_api import Browser, Page, expect

from tests import serving

pytestmark = pytest.mark.browser

ELSEWHERE = """
import json, sys
from hitl_client import AlreadyConsumed, HitlClient, HumanStep
url, key, *asked = sys.argv[1:]
step = HumanStep(HitlClient(url, key), pipeline="letters", step="any")
told = {}
for ticket in asked:
    told[ticket] = [step.resume(ticket)]
    try:
        told[ticket].append(step.resume(ticket))
    except AlreadyConsumed as refused:
        told[ticket].append(refused.code)
print(json.dumps(told))
"""


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


def id_of(result: dict[str, Any]) -> str:
    (name,) = {"interaction_id", "decision_id", "approval_id"} & result.keys()
    return str(result[name])


class Desk:
    """Chloe, who answers."""

    def __init__(self, page: Page, url: str, password: str) -> None:
        self.page, self.url = page, url
        page.goto(f"{url}/admin/")
        page.get_by_label("Username").fill("chloe")
        page.get_by_label("Password").fill(password)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Queue", level=1).wait_for()

    def open(self, ticket: str) -> None:
        self.page.goto(f"{self.url}/admin/reviews/ticket/{ticket}/change/")

    def press(self, choice: str) -> None:
        self.page.locator(f'#decision button[value="{choice}"]').click()
        expect(self.page.locator("#decision .stamp")).to_be_visible()

    def answer(self, option: str, **texts: str) -> None:
        """Open an option's form, fill it in by its labels, and send it."""
        box = self.page.locator("details.answer", has_text=f"{option}…")
        box.locator("summary").click()
        for label, text in texts.items():
            field = box.get_by_label(label.replace("_", " "))
            if text == "on":
                field.check()
            else:
                field.fill(text)
        box.get_by_role("button", name=option, exact=True).click()
        expect(self.page.locator("#decision .stamp, #decision h2").first).to_be_visible()


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
        page = browser.new_page()
        page.set_default_timeout(10_000)
        desk = Desk(page, served.url, chloe["password"])
        step = HumanStep(client, pipeline="letters", step="any")

        desk.open(id_of(asked["input"]))
        desk.answer("Submit", Your_answer="Maria")
        desk.open(id_of(asked["review"]))
        desk.press("approve")
        desk.open(id_of(asked["fallback"]))
        assert "the scanner is out of paper" in page.content()
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
        page.close()
        served.stop(signal.SIGKILL)

    with serving.serving(folder) as served:
        done = subprocess.run(
            [sys.executable, "-c", ELSEWHERE, served.url, key, *map(id_of, asked.values())],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
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
