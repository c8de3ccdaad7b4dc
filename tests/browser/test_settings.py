"""A manager changes who decides, and loosens a rule, with a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, press

pytestmark = pytest.mark.browser


@pytest.fixture
def maya(page: Page, demo: Demo) -> Page:
    """The demo's manager, signed in."""
    page.goto(f"{demo.url}/admin/login/?next=/admin/approvals/approvalpolicy/")
    page.get_by_label("Username").fill("maya")
    page.get_by_label("Password").fill(demo.people["maya"]["password"])
    press(page, "Enter")
    expect(page.get_by_role("heading", name="Who decides", level=1)).to_be_visible()
    return page


def test_a_manager_changes_who_decides_tries_it_and_confirms_what_asks_less(maya, demo):
    maya.get_by_role("link", name="Data purchase").click()
    maya.get_by_role("link", name="Change", exact=True).click()
    maya.get_by_role("button", name="By amount: another row").click()
    maya.get_by_label("Above the amount").fill("5000")
    maya.get_by_label("also one of").select_option("lead")
    maya.get_by_label("Ends after").fill("soon")
    maya.get_by_role("button", name="See what changes").click()
    expect(maya.get_by_text("Write a length of time like")).to_be_visible()
    expect(maya.get_by_label("Above the amount")).to_have_value("5000")
    maya.get_by_label("Ends after").fill("2 d")
    maya.get_by_role("button", name="See what changes").click()
    expect(maya.get_by_role("heading", name="What changes", level=1)).to_be_visible()
    expect(maya.locator("ins", has_text="also 1 of lead")).to_be_visible()
    expect(maya.get_by_label("Your password")).to_have_count(0)
    maya.get_by_label("Note for those who look later").fill("A lead above 5000")
    maya.get_by_role("button", name="Publish version 2").click()
    expect(maya.get_by_text("Data purchase v2 is published.")).to_be_visible()

    maya.get_by_label("Amount").fill("9000")
    maya.get_by_role("button", name="Try it").click()
    expect(maya.locator(".walk")).to_contain_text("1 of lead: Leo Marchetti")
    maya.get_by_label("Amount").fill("10")
    maya.get_by_role("button", name="Try it").click()
    expect(maya.locator(".walk")).not_to_contain_text("Leo Marchetti")

    maya.get_by_role("link", name="Change", exact=True).click()
    maya.get_by_label("Rejections that end it").fill("2")
    maya.get_by_role("button", name="See what changes").click()
    expect(maya.locator("#weaker")).to_contain_text("2 rejections instead of 1")
    publish = maya.get_by_role("button", name="Publish version 3")
    publish.click()
    expect(maya.get_by_role("alert")).to_contain_text("Give your password.")
    maya.get_by_label("Your password").fill(demo.people["maya"]["password"])
    publish.click()
    expect(maya.get_by_text("weakened what came before")).to_be_visible()
    rejections = maya.locator(".versions li").first.locator("dd")
    expect(rejections.locator("del")).to_have_text("1")
    expect(rejections.locator("ins")).to_have_text("2")


def test_a_rule_is_checked_while_typed_and_loosening_it_asks_for_the_password(maya, demo):
    maya.goto(f"{demo.url}/admin/reviews/checkpoint/")
    maya.get_by_role("link", name="Cost threshold").click()
    maya.get_by_role("button", name="Another rule").click()
    last = maya.locator("#when fieldset").last
    expect(last).to_contain_text("Rule 4")
    last.get_by_label("Name", exact=True).fill("Wave through")
    when = last.get_by_label("When", exact=True)
    when.press_sequentially("nonsense > 1")
    expect(last.locator(".error")).to_contain_text("nonsense")
    when.fill("ticket.amount < 5")
    expect(last.get_by_text("It can be read.")).to_be_visible()
    last.get_by_label("Then").select_option("allow")
    maya.get_by_role("button", name="Save", exact=True).last.click()
    expect(maya.locator("#weaker")).to_contain_text("lets things pass: ticket.amount < 5")
    maya.get_by_label("Your password").fill(demo.people["maya"]["password"])
    maya.get_by_role("button", name="Save it all the same").click()
    expect(maya.get_by_text(re.compile("1 change saved"))).to_be_visible()
    maya.get_by_role("link", name="What changed").click()
    expect(maya.locator(".audit > li").first).to_contain_text("asks less than before")


def test_a_sample_shows_which_rule_fires(maya, demo):
    maya.goto(f"{demo.url}/admin/reviews/checkpoint/")
    maya.get_by_role("link", name="Cost threshold").click()
    maya.get_by_role("link", name="Try it with a sample").click()
    maya.get_by_role("button", name="Try it").click()
    expect(maya.locator("#result h2")).to_have_text("People would be asked")
    expect(maya.locator(".rules .fires")).to_have_count(1)
    expect(maya.locator(".walk")).to_contain_text("1 of reviewer")
