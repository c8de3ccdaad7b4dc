"""Make the pictures of the desk in docs/images from a fresh demo: `python docs/make_pictures.py`.

Needs the development dependencies and a Chromium (`CHROMIUM=/path` names another one).
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import serving  # noqa: E402 - the root is known from here on
from tests.browser.calls import Api  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LARGEST = 200_000
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
SIZE = {"width": 1280, "height": 800}


def main() -> None:
    """Seed a demo, look at it in both colours, and store what is seen."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="countersign-") as name:
        folder = Path(name)
        for command in (["migrate", "--verbosity", "0"], ["seed_demo"]):
            done = serving.manage(*command, folder=folder)
            if done.returncode:
                sys.exit(done.stderr)
        known = json.loads((folder / "demo.json").read_text())
        people = {person["username"]: person for person in known["people"]}
        with serving.serving(folder) as served, sync_playwright() as playwright:
            ticket = revised(Api(served.url, known["service_key"]))
            program = os.environ.get("CHROMIUM", "/usr/bin/chromium")
            browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport=SIZE, color_scheme=scheme)
                sign_in(page, served.url, people["chloe"])
                shoot(page, f"queue-{scheme}")
                page.goto(f"{served.url}/admin/reviews/ticket/{ticket}/change/")
                page.get_by_text("You hold this until").wait_for()
                shoot(page, f"ticket-{scheme}")
                page.close()
            browser.close()


def revised(api: Api) -> str:
    """Open a purchase and put it to a second round, so that the picture shows what changed."""
    proposal = {
        "total_cost": 900,
        "currency": "EUR",
        "business_count": 1800,
        "provider": "ACME Data",
        "quality_metrics": {"valid addresses": 0.97, "with e-mail": 0.62},
        "justification": "The spring campaign has no leads north of the river yet.",
    }
    ai = {
        "prediction": "buy",
        "confidence": 0.71,
        "model": "buyer-7",
        "reasoning": "Reply rates in the north were twice as high last spring.",
        "features": [
            {"name": "reply rate last spring", "value": "4.1 %", "importance": 0.42},
            {"name": "price per address", "value": "0.39", "importance": -0.21},
            {"name": "age of the list", "value": "3 months", "importance": 0.14},
        ],
    }
    opened = api.call(
        "POST",
        "/tickets",
        {
            "checkpoint": "data-purchase",
            "title": "Buy 1,800 addresses of bakeries in the north",
            "proposal": proposal,
            "amount": 900,
            "ai": ai,
        },
    )
    path = f"/tickets/{opened['id']}/resubmit"
    api.call("POST", path, {"proposal": {**proposal, "total_cost": 700}, "amount": 700})
    return str(opened["id"])


def sign_in(page: Page, url: str, person: dict[str, str]) -> None:
    """Sign in and wait for the queue."""
    page.goto(f"{url}/admin/")
    page.get_by_label("Username").fill(person["username"])
    page.get_by_label("Password").fill(person["password"])
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Queue", level=1).wait_for()


def shoot(page: Page, name: str) -> None:
    """Store the window as a picture, and refuse one that is too heavy for a README."""
    page.evaluate("document.fonts.ready")
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path)
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path.name} weighs {path.stat().st_size} bytes; the limit is {LARGEST}.")


if __name__ == "__main__":
    main()
