"""Rules that come ready, tried before they are saved; and work given to whoever has least to do."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Demo, sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
def maya(page: Page, demo: Demo) -> Page:
    """The demo's manager, signed in."""
    sign_in(page, demo, "maya")
    return page


def make_checkpoint(maya: Page, demo: Demo, name: str) -> None:
    """Make a checkpoint with a name and who decides, and stay on its page."""
    maya.goto(f"{demo.url}/admin/reviews/checkpoint/add/")
    maya.get_by_label("Title").fill(name)
    maya.get_by_label("Name for programs").fill(name.lower())
    maya.get_by_label("Who decides").select_option(label="General review v1")
    maya.get_by_role("button", name="Save", exact=True).last.click()
    expect(maya.get_by_text(f"{name} is made.")).to_be_visible()


def confirm(maya: Page, demo: Demo) -> None:
    maya.get_by_label("Your password").fill(demo.people["maya"]["password"])
    maya.get_by_role("button", name="Save it all the same").click()


def test_templates_and_bands_are_added_tried_on_past_tickets_and_saved(maya, demo):
    make_checkpoint(maya, demo, "Triage")
    simulated = maya.locator("#simulated")
    expect(simulated).to_contain_text("No ticket was opened here yet")
    for confidence in (0.97, 0.9, 0.7, 0.3):
        demo.api.open(f"Sort {confidence}", checkpoint="triage", ai={"confidence": confidence})

    maya.reload()
    expect(simulated).to_contain_text("On the 4 tickets opened here")
    expect(simulated).to_contain_text("None would change.")
    maya.locator("summary", has_text="Ready-made rules").click()
    maya.get_by_role("button", name="Add these bands").click()
    expect(maya.locator("#when .row-set")).to_have_count(4)
    expect(simulated).to_contain_text("would have asked for 3")
    expect(simulated).to_contain_text("let 1 pass")
    expect(simulated.get_by_role("table")).to_contain_text("Sort 0.97")
    maya.locator("summary", has_text="Ready-made rules").click()
    maya.get_by_role("button", name="Add the rule Legal matter").click()
    expect(maya.locator("#when .row-set")).to_have_count(5)

    first = maya.locator("#when .row-set").first
    first.get_by_label("When", exact=True).fill("ai.confidence >= 0.8")
    expect(simulated).to_contain_text("would have asked for 2")
    first.get_by_label("When", exact=True).fill("ai.confidence >= ")
    expect(simulated).to_contain_text("Finish rule 1")
    first.get_by_label("When", exact=True).fill("ai.confidence >= 0.95")
    expect(simulated).to_contain_text("would have asked for 3")
    maya.get_by_role("button", name="Save", exact=True).last.click()
    expect(maya.locator("#weaker")).to_contain_text("lets things pass: ai.confidence >= 0.95")
    confirm(maya, demo)
    expect(maya.locator("#when .row-set").first.get_by_label("Name", exact=True)).to_have_value(
        "Legal matter"
    )
    expect(maya.get_by_text("Triage: by hand").first).to_be_attached()

    sure = demo.api.open("Sure", checkpoint="triage", ai={"confidence": 0.97})
    legal = demo.api.open(
        "Sure, but legal", checkpoint="triage", ai={"confidence": 0.97}, domain="legal"
    )
    by_hand = demo.api.open("Unsure", checkpoint="triage", ai={"confidence": 0.2})
    assert (sure["status"], sure["rule"]["band"]) == ("approved", "auto_approve")
    assert (legal["status"], legal["rule"]["name"]) == ("pending", "Legal matter")
    assert by_hand["rule"]["band"] == "manual_handling"
    assert by_hand["policy"]["name"] == "Triage: by hand"


def test_a_lead_has_a_person_look_at_what_a_rule_let_pass(page, demo):
    sign_in(page, demo, "maya")
    make_checkpoint(page, demo, "Waving")
    page.get_by_role("button", name="Another rule").click()
    rule = page.locator("#when .row-set").last
    rule.get_by_label("Name", exact=True).fill("All of it")
    rule.get_by_label("When", exact=True).fill("true")
    rule.get_by_label("Then").select_option("allow")
    rule.locator("summary").click()
    rule.get_by_label("Share looked at afterwards").fill("1")
    page.get_by_role("button", name="Save", exact=True).last.click()
    confirm(page, demo)
    expect(page.get_by_text("saved.").first).to_be_visible()
    passed = demo.api.open("Passed by itself", checkpoint="waving")
    assert passed["status"] == "approved"

    sign_in(page, demo, "leo")
    page.goto(f"{demo.url}/admin/reviews/ticket/{passed['id']}/change/")
    expect(page.get_by_text("Audit sample").first).to_be_visible()
    assert passed["viewer"]["can"].count("request-review") == 1
    asked = demo.api.call("POST", f"/tickets/{passed['id']}/request-review", {"reason": "Check."})
    page.reload()
    expect(page.get_by_role("link", name=asked["ref"], exact=True)).to_be_visible()
    page.get_by_role("link", name=asked["ref"], exact=True).click()
    expect(page.get_by_text("Review asked for").first).to_be_visible()
    expect(page.get_by_text("passed without a person, by “All of it”").first).to_be_visible()
    expect(page.get_by_role("link", name=passed["ref"], exact=True)).to_be_visible()


def test_a_lead_gives_a_ticket_to_whoever_has_least_to_do_and_it_moves_on(page, demo):
    ticket = demo.api.open("Whose turn is it")
    sign_in(page, demo, "leo")
    page.goto(f"{demo.url}/admin/reviews/ticket/{ticket['id']}/change/")
    page.locator("summary", has_text="Assign…").click()
    page.get_by_label("To", exact=True).select_option("*")
    page.get_by_role("button", name="Assign", exact=True).click()
    holds = page.get_by_text(re.compile(r"holds this\."))
    expect(holds).to_be_visible()
    holder = holds.inner_text().partition(" holds")[0]
    username = holder.split()[0].lower()
    another = next(one for one in ("ana", "ben", "chloe") if one != username)
    theirs = demo.as_person(username)
    ends = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    lent = theirs.call("POST", "/delegations", {"delegate": another, "ends_at": ends})
    try:
        released = page.get_by_text(re.compile("had it, but they are away"))
        for _ in range(20):
            page.reload()
            if released.count():
                break
            page.wait_for_timeout(500)
        expect(released).to_be_visible()
        expect(holds).to_have_count(0)
    finally:
        theirs.call("DELETE", f"/delegations/{lent['id']}")
