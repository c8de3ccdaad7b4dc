"""What pipelines and the people who answer them do, in programs and browsers of their own."""

import json
import subprocess
import sys
from typing import Any

from playwright.sync_api import Browser, expect

# Another process, some other day: each step is resumed once, and a second time in vain.
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


def resumed_elsewhere(url: str, key: str, tickets: list[str]) -> dict[str, list[Any]]:
    """Resume steps in another process; return for each what came back, and what came then."""
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, url, key, *tickets],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, list[Any]] = json.loads(done.stdout)
    return told


def id_of(result: dict[str, Any]) -> str:
    (name,) = {"interaction_id", "decision_id", "approval_id"} & result.keys()
    return str(result[name])


class Desk:
    """Somebody who answers, in a browser of their own."""

    def __init__(self, browser: Browser, url: str, person: dict[str, Any]) -> None:
        self.page, self.url = browser.new_page(), url
        page = self.page
        page.set_default_timeout(10_000)
        page.goto(f"{url}/admin/")
        page.get_by_label("Username").fill(person["username"])
        page.get_by_label("Password").fill(person["password"])
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Queue", level=1).wait_for()

    def open(self, ticket: str) -> None:
        self.page.goto(f"{self.url}/admin/reviews/ticket/{ticket}/change/")

    def press(self, choice: str) -> None:
        self.page.locator(f'#decision button[value="{choice}"]').click()
        expect(self.page.locator("#decision .stamp, #decision [data-key=z]").first).to_be_visible()

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
