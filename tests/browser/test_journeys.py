"""A reviewer's work with the keyboard alone, its keys counted, and with a thumb alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import press, sign_in
from tests.browser.stage import Demo

pytestmark = pytest.mark.browser

WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# What can be pressed: [height, what it is] of each that is on the page, links within a text aside.
TARGETS = """() => [...document.querySelectorAll(
  "button, summary, select, textarea, input:not([type=hidden]), .chip-link, .menu a, .row")]
  .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.closest(".sr"))
  .map((one) => {
    const ticked = one.matches("input[type=checkbox], input[type=radio]");
    const box = (ticked && one.closest("label") || one).getBoundingClientRect();
    return [Math.round(box.height), one.outerHTML.slice(0, 90)];
  })"""


class Keyboard:
    """Keys of one person; letters of a text that is typed do not count."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def press(self, *keys: str) -> None:
        for key in keys:
            press(self.page, key)
            self.count += 1

    def write(self, text: str) -> None:
        self.page.keyboard.type(text)


@pytest.fixture
def keys(chloe: Page) -> Keyboard:
    return Keyboard(chloe)


def urgent(demo: Demo, title: str, **more: Any) -> dict[str, Any]:
    """Open a ticket that comes before every other; what asks for two people is cancelled."""
    above = demo.api.call("GET", "/tickets?status=pending&priority=critical")["data"]
    for one in above:
        demo.api.call("POST", f"/tickets/{one['id']}/cancel", {})
    return demo.api.open(title, priority="high", financial_impact=1, compliance=True, **more)


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text, exact=True).first).to_be_visible()


def look_at(page: Page, demo: Demo, ticket: dict[str, Any]) -> None:
    page.goto(f"{demo.url}/admin/reviews/ticket/{ticket['id']}/change/")


def test_two_keys_approve_the_most_urgent_ticket(keys: Keyboard, demo: Demo) -> None:
    ticket = urgent(demo, "Pay the florist")
    keys.page.reload()
    keys.press("Enter")
    heading(keys.page, "Pay the florist")
    expect(keys.page.get_by_text("You hold this until")).to_be_visible()
    keys.press("a")
    heading(keys.page, "Approved")
    assert demo.api.read(ticket)["allowed"] is True
    assert keys.count == 2


def test_four_keys_at_most_reject_with_a_reason(keys: Keyboard, demo: Demo) -> None:
    ticket = urgent(demo, "Pay twice")
    keys.page.reload()
    keys.press("Enter")
    heading(keys.page, "Pay twice")
    expect(keys.page.get_by_text("You hold this until")).to_be_visible()
    keys.press("r")
    expect(keys.page.get_by_label("Reason", exact=True).first).to_be_focused()
    keys.write("already paid, see a, r and z")
    keys.press("Control+Enter")
    heading(keys.page, "Rejected")
    assert demo.api.read(ticket)["comments"] == "already paid, see a, r and z"
    assert keys.count <= 4


def test_keys_change_a_value_and_take_the_decision_back(keys: Keyboard, demo: Demo) -> None:
    page, ticket = keys.page, demo.api.open("Pay less")
    look_at(page, demo, ticket)
    keys.press("e")
    expect(page.get_by_label("Payee")).to_be_focused()
    keys.press("Tab")
    keys.write("700")
    keys.press("Tab")
    keys.write("as agreed")
    keys.press("Control+Enter")
    heading(page, "Approved")
    assert demo.api.read(ticket)["approved"] == {"payee": "ACME", "total": 700}
    keys.press("z")
    keys.write("wrong payee")
    keys.press("Control+Enter")
    heading(page, "Revoked")
    assert keys.count == 6


def test_keys_ask_back_and_take_a_held_vote_back(keys: Keyboard, demo: Demo) -> None:
    page, ticket = keys.page, demo.api.open("Pay whom?")
    look_at(page, demo, ticket)
    keys.press("q")
    keys.write("name the payee")
    keys.press("Control+Enter")
    heading(page, "Needs changes")
    assert demo.api.read(ticket)["status"] == "needs_changes"
    campaign = {
        "recipient_count": 300, "segments": ["north"], "compliance_checklist": {"opt_out": True},
        "sample_emails": [{"subject": "Hello", "body": "Hi."}] * 5, "send_time_estimate": "now",
    }  # fmt: skip
    held = demo.api.open("A campaign", checkpoint="email-campaign", proposal=campaign)
    look_at(page, demo, held)
    keys.press("a")
    expect(page.get_by_text("In effect at")).to_be_visible()
    keys.press("z")
    heading(page, "Your decision")
    assert demo.api.read(held)["decision"] is None


def test_keys_walk_the_queue_and_skip(keys: Keyboard, demo: Demo) -> None:
    page = keys.page
    first, second = urgent(demo, "First of two"), urgent(demo, "Second of two")
    page.reload()
    keys.press("j", "j", "k")
    expect(page.locator("[data-row]").first).to_be_focused()
    keys.press("Enter")
    expect(page.locator("#decision")).to_be_visible()
    look_at(page, demo, first)
    keys.press("s")
    page.wait_for_url(lambda url: first["id"] not in url)
    expect(page.locator("#decision")).to_be_visible()
    skipped = [
        event["type"] for event in demo.api.call("GET", f"/tickets/{first['id']}/events")["data"]
    ]
    assert "ticket.skipped" in skipped
    look_at(page, demo, second)
    keys.press("j")
    page.wait_for_url(lambda url: second["id"] not in url)
    keys.press("g", "q")
    heading(page, "Queue")
    keys.press("/")
    expect(page.locator("[data-search]")).to_be_focused()
    keys.write("a j ? x")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_the_help_gives_the_focus_back_and_keys_can_be_switched_off(
    keys: Keyboard, demo: Demo
) -> None:
    page, ticket = keys.page, demo.api.open("Pay later")
    look_at(page, demo, ticket)
    page.get_by_role("link", name="Queue").last.focus()
    keys.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys.press("a", "Escape")
    expect(page.get_by_role("link", name="Queue").last).to_be_focused()
    keys.press("Control+a", "Alt+a")
    page.goto(f"{demo.url}/admin/reviews/ticket/preferences/")
    page.get_by_label("Single keys work").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    look_at(page, demo, ticket)
    keys.press("a", "s", "j", "?")
    heading(page, "Your decision")
    page.goto(f"{demo.url}/admin/reviews/ticket/preferences/")
    page.get_by_label("Single keys work").check()
    page.get_by_role("button", name="Save", exact=True).click()
    assert demo.api.read(ticket)["status"] == "pending"


def test_what_is_folded_is_read_before_it_passes(keys: Keyboard, demo: Demo) -> None:
    page = keys.page
    ticket = demo.api.open("Pay", proposal={"why": "as agreed " * 120 + "and all the rest"})
    look_at(page, demo, ticket)
    keys.press("a")
    expect(page.get_by_text("One long value was folded")).to_be_visible()
    expect(page.locator(".fields").get_by_text("and all the rest")).to_be_visible()
    assert demo.api.read(ticket)["status"] == "pending"
    keys.press("a")
    heading(page, "Approved")


@pytest.fixture
def phone(browser: Browser, demo: Demo) -> Iterator[Page]:
    """Chloe's telephone."""
    context = browser.new_context(
        viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    sign_in(page, demo, "chloe")
    yield page
    context.close()


def fits_a_thumb(page: Page) -> None:
    assert page.evaluate(WIDE) <= 0
    small = [f"{height} px: {what}" for height, what in page.evaluate(TARGETS) if height < 44]
    assert not small, "\n".join(small)


def docked(page: Page) -> None:
    """The card stands at the bottom edge, whatever is scrolled to, and hides less than half."""
    box = page.locator("#decision").bounding_box()
    assert box is not None
    assert abs(box["y"] + box["height"] - 740) <= 1
    assert box["height"] < 300


def test_a_thumb_approves_from_the_queue(phone: Page, demo: Demo) -> None:
    ticket = urgent(demo, "Pay the baker", proposal={f"field_{n}": "value" for n in range(30)})
    phone.reload()
    fits_a_thumb(phone)
    phone.get_by_role("button", name="Start reviewing").tap()
    heading(phone, "Pay the baker")
    fits_a_thumb(phone)
    docked(phone)
    phone.mouse.wheel(0, 500)
    docked(phone)
    phone.get_by_role("button", name="Approve", exact=True).tap()
    heading(phone, "Approved")
    assert demo.api.read(ticket)["allowed"] is True


def test_a_thumb_rejects_and_finds_the_other_answers(phone: Page, demo: Demo) -> None:
    ticket = demo.api.open("Pay the butcher", proposal={f"field_{n}": "value" for n in range(30)})
    look_at(phone, demo, ticket)
    expect(phone.get_by_text("Request changes…")).to_be_hidden()
    phone.get_by_role("button", name="More answers").tap()
    expect(phone.get_by_text("Request changes…")).to_be_visible()
    fits_a_thumb(phone)
    phone.get_by_text("Request changes…").tap()
    fits_a_thumb(phone)
    phone.get_by_role("button", name="Fewer answers").tap()
    phone.get_by_role("button", name="Reject").tap()
    phone.get_by_label("Reason", exact=True).first.fill("Paid in March.")
    fits_a_thumb(phone)
    phone.get_by_role("button", name="Reject").tap()
    heading(phone, "Rejected")
    assert demo.api.read(ticket)["comments"] == "Paid in March."
