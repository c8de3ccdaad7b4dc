"""What others do appears by itself, in two browsers at once, and without moving anything."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watched, press, sign_in
from tests.browser.stage import Demo
from tests.browser.test_queue import QUEUE, row

pytestmark = pytest.mark.browser


@pytest.fixture
def ana(browser: Browser, demo: Demo) -> Iterator[Page]:
    """Another reviewer, in another browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
    sign_in(page, demo, "ana")
    yield page
    context.close()
    assert complaints == []


def live(page: Page) -> None:
    expect(page.locator("[data-live]")).to_have_text("live")


def test_what_comes_and_what_is_decided_appears_without_moving_a_row(chloe: Page, demo: Demo):
    there = demo.api.open("Decided by somebody else")
    chloe.goto(f"{demo.url}{QUEUE}?q=")
    live(chloe)
    one = row(chloe, "Decided by somebody else")
    before = one.bounding_box()
    demo.api.open("Came by itself")
    expect(chloe.get_by_role("link", name=re.compile(r"\d+ new"))).to_be_visible()
    demo.vote("ana", there, "approve")
    expect(one.locator(".row-chip")).to_contain_text(re.compile("Approved|In effect"))
    expect(one.get_by_role("checkbox")).to_be_disabled()
    assert one.bounding_box() == before
    assert row(chloe, "Came by itself").count() == 0


def test_who_takes_a_ticket_is_seen_in_the_queue_of_the_others(chloe: Page, ana: Page, demo: Demo):
    there = demo.api.open("Taken by somebody else")
    chloe.goto(f"{demo.url}{QUEUE}")
    live(chloe)
    ana.goto(f"{demo.url}{QUEUE}{there['id']}/change/")
    expect(row(chloe, "Taken by somebody else").locator(".row-holder .face")).to_be_visible()


def test_two_see_each_other_and_what_the_other_decides(chloe: Page, ana: Page, demo: Demo):
    there = demo.api.open("Looked at by two")
    page = f"{demo.url}{QUEUE}{there['id']}/change/"
    chloe.goto(page)
    live(chloe)
    ana.goto(page)
    live(ana)
    expect(ana.get_by_text("Also viewing: Chloe")).to_be_visible()
    expect(chloe.get_by_text("Also viewing: Ana")).to_be_visible()
    press(ana, "a")
    expect(ana.locator(".stamp")).to_be_visible()
    expect(chloe.locator("[data-changed] .banner")).to_contain_text("Meanwhile this")
    expect(chloe.get_by_role("button", name="Approve", exact=False).first).to_be_disabled()
    ana.goto(f"{demo.url}{QUEUE}")
    expect(chloe.locator("[data-viewing]")).to_be_empty()
    chloe.get_by_role("link", name="See it as it is now").click()
    expect(chloe.locator(".stamp")).to_be_visible()


def test_a_proposal_that_changes_is_not_answered_unread(chloe: Page, demo: Demo):
    there = demo.api.open("Sent again", proposal={"total": 900})
    chloe.goto(f"{demo.url}{QUEUE}{there['id']}/change/")
    live(chloe)
    demo.api.call("POST", f"/tickets/{there['id']}/resubmit", {"proposal": {"total": 950}})
    banner = chloe.locator("[data-changed] .banner")
    expect(banner).to_contain_text("The proposal changed meanwhile")
    press(chloe, "a")
    assert demo.api.read(there)["status"] == "pending"
    banner.get_by_role("link").click()
    expect(chloe.get_by_text("950").first).to_be_visible()


def test_without_a_socket_the_page_asks_every_fifteen_seconds(
    chloe: Page, demo: Demo, watched: Watched
):
    chloe.route_web_socket(re.compile("/ws/"), lambda socket: socket.close())
    chloe.clock.install()
    chloe.goto(f"{demo.url}{QUEUE}")
    expect(chloe.locator("[data-live]")).to_have_text("every 15 s")
    demo.api.open("Found by asking")
    chloe.clock.run_for(17_000)
    expect(chloe.get_by_role("link", name=re.compile(r"\d+ new"))).to_be_visible()
    assert watched.foreign == []
