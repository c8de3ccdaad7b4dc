"""An emergency with a real browser: a bypass, what passes under it, its end and its review."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Demo, sign_in
from tests.browser.places import Place, at
from tests.browser.test_accessibility import AXE, complaints

pytestmark = pytest.mark.browser

REASON = "The mail provider is <b>down</b> and orders pile up."
PAGE = "/admin/approvals/bypass/"


@pytest.fixture
def calm(demo: Demo) -> Iterator[None]:
    """Let no bypass outlive the test: the others share this demo."""
    yield
    leo = demo.as_person("leo")
    for bypass in leo.call("GET", "/bypasses")["data"]:
        if bypass["state"] == "active":
            leo.call("POST", f"/bypasses/{bypass['id']}/end", {})


@pytest.fixture
def maya(browser: Browser, demo: Demo) -> Iterator[Page]:
    """The manager, in a browser of her own, with the examiner on board."""
    context: BrowserContext = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(10_000)
    context.add_init_script(path=AXE)
    page = context.new_page()
    sign_in(page, demo, "maya")
    yield page
    context.close()


def examined(page: Page) -> None:
    """Assert that axe finds nothing on the page as it stands, in both themes and sizes."""
    found = complaints(page, Place("", at("")))
    assert not found, "\n".join(found)
    page.set_viewport_size({"width": 1280, "height": 800})


def test_leo_passes_an_hour_without_people_and_maya_looks_at_it(page, maya, demo: Demo, calm):
    before = demo.api.open("Pay the ferry")
    sign_in(page, demo, "leo")
    page.get_by_role("link", name="Bypass").first.click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    expect(page.locator(".people")).to_contain_text("Maya Singh")

    # Without the password nothing starts, and nothing typed is lost.
    page.get_by_label("1 hour").check()
    page.get_by_label("Reason").fill(REASON)
    page.get_by_label("Incident").fill("INC-204")
    page.get_by_text("Only at some checkpoints").click()
    page.get_by_label("General review").check()
    page.get_by_label("Your password").fill("not it")
    page.get_by_role("button", name="Start the bypass").click()
    expect(page.get_by_role("alert")).to_contain_text("This is not your password.")
    expect(page.get_by_label("Reason")).to_have_value(REASON)
    expect(page.get_by_label("1 hour")).to_be_checked()
    expect(page.get_by_label("General review")).to_be_checked()
    expect(page.get_by_label("Your password")).to_have_value("")
    page.get_by_label("Your password").fill(demo.people["leo"]["password"])
    page.get_by_role("button", name="Start the bypass").click()

    banner = re.compile(r"Bypass active until \d\d:\d\d by Leo Marchetti: The mail provider is <b>")
    expect(page.get_by_role("complementary", name="Bypass active")).to_contain_text(banner)
    expect(page.get_by_text("You cannot start another yet")).to_be_visible()

    passed = demo.api.open("Pay the florist")
    assert (passed["allowed"], passed["decision"]["by"]) == (True, "bypass")
    assert demo.api.read(before)["status"] == "pending"
    page.goto(f"{demo.url}/admin/reviews/ticket/{passed['id']}/change/")
    expect(page.locator(".story")).to_contain_text("bypass")

    # Everybody sees it, on our pages and on the settings; Maya ends it.
    maya.reload()
    expect(maya.get_by_role("complementary", name="Bypass active")).to_contain_text(banner)
    examined(maya)
    maya.goto(f"{demo.url}/admin/approvals/user/")
    expect(maya.get_by_role("complementary", name="Bypass active")).to_contain_text(banner)
    maya.get_by_role("link", name="Look at it").click()
    expect(maya.get_by_text("1 ticket", exact=True)).to_be_visible()
    examined(maya)
    maya.get_by_role("button", name="End now").click()
    expect(maya.get_by_role("complementary", name="Bypass active")).to_have_count(0)
    assert demo.api.open("Pay the pilot")["status"] == "pending"

    # Leo cannot judge his own; Maya does, and then he may start another.
    page.goto(f"{demo.url}{PAGE}")
    expect(page.get_by_text("somebody else must look at it first")).to_be_visible()
    page.get_by_role("link", name=re.compile(r"^T-\d+$")).click()
    expect(page.locator(".card")).to_contain_text("own work")
    maya.get_by_role("link", name=re.compile("1 ticket passed")).first.click()
    listed = maya.get_by_role("link", name=re.compile("Pay the florist"))
    expect(listed).to_have_attribute("href", f"/admin/reviews/ticket/{passed['id']}/change/")
    examined(maya)
    maya.get_by_role("button", name=re.compile("^In order")).click()
    expect(maya.get_by_role("heading", name="Answered")).to_be_visible()
    page.goto(f"{demo.url}{PAGE}")
    for _ in range(50):  # the sweep notes it within a beat
        if page.get_by_role("button", name="Start the bypass").is_visible():
            break
        page.reload()
    expect(page.get_by_role("button", name="Start the bypass")).to_be_visible()
    expect(page.locator(".past")).to_contain_text("In order")
