"""Somebody goes on leave and another votes meanwhile, with a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, press, sign_in

pytestmark = pytest.mark.browser


def come(page: Page, demo: Demo, username: str) -> None:
    """Let another person sit down at the browser."""
    page.context.clear_cookies()
    sign_in(page, demo, username)


def away_page(page: Page) -> None:
    page.locator(".menu summary").click()
    page.get_by_role("link", name="Away").click()


def test_ana_votes_for_ben_while_he_is_on_leave(page, demo: Demo):
    address = f"{demo.url}/admin/reviews/ticket/{{}}/change/"
    ticket = demo.api.open("Pay the ferryman of Ben", region="Region2")
    second = demo.api.open("Pay the pilot", region="Region2")

    come(page, demo, "ben")
    away_page(page)
    expect(page.get_by_text("Nobody, now or before.")).to_be_visible()
    page.get_by_label("Who votes", exact=True).select_option(label="Ana Costa")
    page.get_by_label("Until").fill("2001-01-01T18:00")
    page.get_by_role("button", name="Lend my votes").click()
    expect(page.get_by_text("It would already be over; choose a later end.")).to_be_visible()
    expect(page.get_by_label("Who votes", exact=True)).to_have_value("ana")
    page.goto(f"{demo.url}/admin/approvals/delegation/away/")
    page.get_by_label("Who votes", exact=True).select_option(label="Ana Costa")
    page.get_by_label("Reason").fill("Summer leave")
    page.get_by_role("button", name="Lend my votes").click()
    expect(page.locator("#loans")).to_contain_text("Ana Costa")
    expect(page.locator("#loans")).to_contain_text("Summer leave")
    page.get_by_role("link", name="Queue", exact=True).first.click()
    expect(page.get_by_role("status").filter(has_text="votes for you")).to_contain_text(
        "Ana Costa votes for you until"
    )

    come(page, demo, "ana")
    expect(page.get_by_role("status").filter(has_text="You act")).to_contain_text(
        "You act for Ben Adler until"
    )
    page.get_by_role("link", name="Pay the ferryman of Ben", exact=True).click()
    expect(page.get_by_text(re.compile(r"You act for Ben Adler \(until .+\)\."))).to_be_visible()
    press(page, "a")
    expect(page.get_by_role("heading", name="Approved", exact=True)).to_be_visible()
    expect(page.locator(".stamp")).to_contain_text("Ana Costa for Ben Adler")
    expect(page.locator(".story")).to_contain_text("Ana Costa for Ben Adler")
    answer = demo.api.read(ticket)
    (cast,) = answer["tally"]["people"]
    assert (answer["allowed"], cast["name"], cast["on_behalf_of"]) == (True, "ana", "ben")

    come(page, demo, "ben")
    away_page(page)
    page.get_by_role("button", name="End now").click()
    expect(page.locator("#loans")).to_contain_text("ended early")

    come(page, demo, "ana")
    expect(page.get_by_text("You act for Ben Adler")).to_have_count(0)
    gone = page.goto(address.format(second["id"]))
    assert gone is not None
    assert gone.status == 404


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_the_page_fits(page, demo: Demo, scheme, width):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, demo, "maya")
    page.goto(f"{demo.url}/admin/approvals/delegation/away/?for=chloe")
    expect(page.get_by_role("heading", level=1)).to_have_text("While Chloe Park is away")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
