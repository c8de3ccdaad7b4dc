"""A real service with the demo's people, and a real browser that may talk to nobody else."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests import serving
from tests.browser.calls import Api
from tests.browser.stage import Demo
from tests.journeys.mailbox import mail_server

CHROMIUM = "/usr/bin/chromium"
# No sandbox inside containers; and nothing of the browser's own talks to the outside.
ARGUMENTS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-default-apps", "--no-first-run", "--disable-dev-shm-usage"),
)


@dataclass
class Watched:
    """What a page did that it should not have: each list stays empty."""

    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def demo(migrated_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Serve a seeded demo from a folder of its own; its mails come to a box."""
    folder = shutil.copytree(migrated_folder, tmp_path_factory.mktemp("browser") / "data")
    seeded = serving.manage("seed_demo", folder=folder, MAIL_NOTICES="false")
    assert seeded.returncode == 0, seeded.stderr
    known = json.loads((folder / "demo.json").read_text())
    with mail_server() as box, serving.serving(folder, EMAIL_URL=box.url) as served:
        people = {person["username"]: person for person in known["people"]}
        yield Demo(served.url, people, Api(served.url, known["service_key"]), box, folder)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start the Chromium of this machine."""
    with sync_playwright() as playwright:
        program = os.environ.get("CHROMIUM", CHROMIUM)
        chromium = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture
def watched() -> Watched:
    """What the pages of this test did that they should not have."""
    return Watched()


@pytest.fixture
def page(browser: Browser, demo: Demo, watched: Watched) -> Iterator[Page]:
    """Open a page; the test fails when it spoke to another host, or its policy was broken."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    page = context.new_page()

    def on_request(request: Any) -> None:
        if not request.url.startswith((demo.url + "/", "data:")):
            watched.foreign.append(request.url)

    def on_dialog(dialog: Any) -> None:
        watched.dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("request", on_request)
    page.on("dialog", on_dialog)
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on(
        "console",
        lambda line: (
            watched.complaints.append(line.text)
            if line.type == "error" and "status of 4" not in line.text
            else None
        ),
    )
    yield page
    context.close()
    assert watched == Watched()


@pytest.fixture
def chloe(page: Page, demo: Demo) -> Page:
    """A reviewer of both regions, signed in and looking at the queue."""
    sign_in(page, demo, "chloe")
    return page


def sign_in(page: Page, demo: Demo, username: str) -> None:
    """Sign in through the form, or go on where that was done before; whoever was here leaves."""
    page.context.clear_cookies()
    page.context.add_cookies(demo.cookies.get(username, []))
    page.goto(f"{demo.url}/admin/")
    if "/login/" not in page.url:
        return
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(demo.people[username]["password"])
    press(page, "Enter")
    page.get_by_role("heading", name="Queue", level=1).wait_for()
    demo.cookies[username] = list(page.context.cookies())


def press(page: Page, key: str) -> None:
    """Press a key once the page is whole: a text may be seen before what the key is for."""
    page.wait_for_load_state("domcontentloaded")
    page.keyboard.press(key)
