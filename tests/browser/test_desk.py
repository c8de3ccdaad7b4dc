"""Reviewers at the desk, with a real browser."""

import re
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Demo, press, sign_in

pytestmark = pytest.mark.browser


def look_at(page: Page, demo: Demo, ticket: dict[str, Any]) -> None:
    page.goto(f"{demo.url}/admin/reviews/ticket/{ticket['id']}/change/")


def test_a_rejection_asks_for_its_reason_and_then_stands(chloe, demo):
    ticket = demo.api.open("Pay twice")
    look_at(chloe, demo, ticket)
    reason = chloe.get_by_label("Reason", exact=True).first
    expect(reason).to_be_hidden()
    press(chloe, "r")
    expect(reason).to_be_focused()
    chloe.keyboard.type("already paid in March")
    assert demo.api.read(ticket)["status"] == "pending"  # letters typed are no shortcuts
    chloe.get_by_role("button", name="Reject").click()
    expect(chloe.get_by_role("heading", name="Rejected")).to_be_visible()
    assert demo.api.read(ticket)["comments"] == "already paid in March"


def test_less_is_approved_by_changing_a_value(chloe, demo):
    ticket = demo.api.open("Pay less")
    look_at(chloe, demo, ticket)
    press(chloe, "e")
    chloe.get_by_label("Total").fill("700")
    chloe.locator("details[open]").get_by_label("Reason").fill("as agreed")
    chloe.get_by_role("button", name="Approve with changes").click()
    expect(chloe.get_by_role("heading", name="Approved", exact=True)).to_be_visible()
    expect(chloe.locator("del").first).to_contain_text("900")
    assert demo.api.read(ticket)["approved"] == {"payee": "ACME", "total": 700}


def test_a_decision_is_revoked_from_its_stamp(chloe, demo):
    ticket = demo.api.open("Pay by mistake")
    look_at(chloe, demo, ticket)
    press(chloe, "a")
    chloe.get_by_text("Revoke…").click()
    chloe.get_by_label("Why").fill("wrong payee")
    chloe.get_by_role("button", name="Revoke this decision").click()
    expect(chloe.get_by_role("heading", name="Revoked")).to_be_visible()
    assert demo.api.read(ticket)["allowed"] is False


def test_hostile_text_does_nothing_and_hides_nothing(chloe, demo, watched):
    evil = "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>\u202egpj.exe"
    ticket = demo.api.open(
        evil,
        proposal={"payee": evil, "note": "zero\u200bwidth"},
        ai={"reasoning": evil, "prediction": "javascript:alert(3)", "confidence": 0.5},
    )
    chloe.reload()
    expect(chloe.get_by_text("U+202E").first).to_be_visible()
    look_at(chloe, demo, ticket)
    expect(chloe.get_by_text("characters that hide, or pose as others")).to_be_visible()
    expect(chloe.get_by_text("U+200B").first).to_be_visible()
    assert chloe.locator("main script, main img").count() == 0
    assert watched.dialogs == []
    assert watched.foreign == []


def test_a_page_that_is_out_of_date_says_so(chloe, demo):
    ticket = demo.api.open("Pay soon")
    look_at(chloe, demo, ticket)
    demo.api.call("POST", f"/tickets/{ticket['id']}/resubmit", {"proposal": {"total": 5}})
    press(chloe, "a")
    expect(chloe.get_by_role("alert")).to_contain_text("changed since you read it")
    expect(chloe.get_by_role("heading", name="Changed since round 1")).to_be_visible()
    assert demo.api.read(ticket)["status"] == "pending"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_has_to_be_scrolled_sideways_on_a_phone(page, demo, scheme):
    page.set_viewport_size({"width": 360, "height": 740})
    page.emulate_media(color_scheme=scheme)
    sign_in(page, demo, "chloe")
    ticket = demo.api.open("A-word-that-never-ends-" * 8, proposal={"long": "x" * 500})
    page.reload()
    wide = "document.documentElement.scrollWidth > window.innerWidth"
    assert page.evaluate(wide) is False
    look_at(page, demo, ticket)
    assert page.evaluate(wide) is False


def test_everything_works_without_script(browser: Browser, demo):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(10_000)
    page.goto(f"{demo.url}/admin/login/?next=/admin/")
    page.get_by_label("Username").fill("chloe")
    page.get_by_label("Password").fill(demo.people["chloe"]["password"])
    page.get_by_role("button", name="Log in").click()
    ticket = demo.api.open("Pay without script")
    look_at(page, demo, ticket)
    page.get_by_role("button", name="Claim it").click()
    expect(page.get_by_text("You hold this until")).to_be_visible()
    page.get_by_label("Reason", exact=True).first.fill("no")
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", name="Rejected")).to_be_visible()
    context.close()


def test_the_keyboard_reaches_the_list_and_the_decision_at_once(chloe, demo):
    press(chloe, "Tab")
    expect(chloe.get_by_role("link", name="Skip to the list")).to_be_focused()
    look_at(chloe, demo, demo.api.open("Pay nobody"))
    press(chloe, "Tab")
    press(chloe, "Enter")
    press(chloe, "Tab")
    expect(chloe.get_by_role("button", name=re.compile("^Approve"))).to_be_focused()


@pytest.mark.parametrize(
    "path", ["auth/group", "reviews/checkpoint", "approvals/accesskey", "approvals/accesskey/add",
             "approvals/approvalpolicy/add", "audit/auditevent"]
)  # fmt: skip
def test_the_settings_keep_their_policy(page, demo, path):
    sign_in(page, demo, "ada")
    page.goto(f"{demo.url}/admin/{path}/")
    expect(page.locator("#main, main").first).to_be_visible()
