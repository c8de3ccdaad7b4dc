"""The queue with a real browser: choosing, views, height of rows, skip, next, assign, requests."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import press, sign_in
from tests.browser.stage import Demo

pytestmark = pytest.mark.browser
QUEUE = "/admin/reviews/ticket/"
ME = {"on_behalf_of": "nils@demo.example"}


def row(page: Page, title: str):
    return page.locator(".row", has=page.get_by_role("link", name=title, exact=True))


def search(page: Page, words: str) -> None:
    press(page, "/")
    page.keyboard.type(words)
    press(page, "Enter")
    page.wait_for_url("**q=**")


def test_two_are_chosen_with_keys_approved_together_and_taken_back(chloe, demo):
    tickets = [demo.api.open(f"Renew lease {n}") for n in (1, 2)]
    search(chloe, "Renew lease")
    expect(chloe.locator("[data-bulk-bar]")).to_be_hidden()
    for _ in tickets:
        press(chloe, "j")
        press(chloe, "x")
    words = "2 selected, 2 can be approved together, 0 need single review"
    expect(chloe.get_by_text(words)).to_be_visible()
    chloe.get_by_role("button", name="Approve…").click()
    expect(chloe.get_by_role("heading", name="One answer to 2 tickets")).to_be_visible()
    chloe.get_by_label("Reason").fill("As every year.")
    chloe.get_by_role("button", name="Approve 2").click()
    expect(chloe.get_by_role("heading", name="2 approved")).to_be_visible()
    assert {demo.api.read(ticket)["status"] for ticket in tickets} == {"approved"}
    press(chloe, "z")
    expect(chloe.get_by_role("heading", name="2 taken back")).to_be_visible()
    assert {demo.api.read(ticket)["status"] for ticket in tickets} == {"revoked"}


def test_bulk_works_as_a_form_without_any_script(browser, demo):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, demo, "chloe")
    ticket = demo.api.open("Renew without script")
    page.goto(f"{demo.url}{QUEUE}?q=Renew+without+script")
    page.get_by_label(f"Choose {ticket['ref']}").check()
    page.get_by_role("button", name="Approve…").click()
    page.get_by_role("button", name="Approve 1").click()
    expect(page.get_by_role("heading", name="1 approved")).to_be_visible()
    context.close()


def test_a_view_is_kept_and_found_again(chloe, demo):
    chloe.goto(f"{demo.url}{QUEUE}?risk=medium&age=4h")
    chloe.locator("summary", has_text="Views").click()
    chloe.get_by_label("Keep this view as").fill("Old and careful")
    chloe.get_by_role("button", name="Keep").click()
    chloe.goto(f"{demo.url}{QUEUE}")
    chloe.locator("summary", has_text="Views").click()
    chloe.get_by_role("link", name="Old and careful").click()
    expect(chloe).to_have_url(re.compile(r"\?risk=medium&age=4h$"))
    press(chloe, "g")
    press(chloe, "q")
    expect(chloe).to_have_url(f"{demo.url}{QUEUE}")


def test_eleven_rows_fit_and_compact_rows_are_lower(chloe, demo):
    for number in range(11):
        demo.api.open(f"Filler {number}")
    chloe.goto(f"{demo.url}{QUEUE}")
    last = chloe.locator(".row").nth(10).bounding_box()
    assert last["y"] + last["height"] <= 800
    assert last["height"] in (56, 57)
    chloe.get_by_role("button", name="Compact rows").click()
    expect(chloe.locator(".page-queue.compact")).to_have_count(1)
    assert chloe.locator(".row").nth(10).bounding_box()["height"] in (40, 41)
    chloe.get_by_role("button", name="Roomy rows").click()
    expect(chloe.locator(".page-queue.roomy")).to_have_count(1)


def test_news_is_told_without_moving_a_row(chloe, demo):
    chloe.goto(f"{demo.url}{QUEUE}")
    first = chloe.locator(".row").first
    before = first.inner_text(), first.bounding_box()
    demo.api.open("Came just now", financial_impact=1, compliance=True)
    chloe.evaluate("dispatchEvent(new Event('countersign:look'))")
    news = chloe.get_by_role("link", name=re.compile(r"\d+ new"))
    expect(news).to_be_visible()
    assert (first.inner_text(), first.bounding_box()) == before
    assert chloe.title().startswith("(")
    news.click()
    expect(row(chloe, "Came just now")).to_be_visible()


def test_what_is_skipped_is_not_the_next_one(chloe, demo):
    urgent = demo.api.open("Skip me", financial_impact=1, compliance=True, priority="critical")
    chloe.goto(f"{demo.url}{QUEUE}{urgent['id']}/change/")
    press(chloe, "s")
    chloe.wait_for_url(lambda url: urgent["id"] not in url)
    chloe.goto(f"{demo.url}{QUEUE}")
    chloe.get_by_role("button", name="Start reviewing").click()
    chloe.wait_for_url("**/change/**")
    assert urgent["id"] not in chloe.url
    assert demo.api.read(urgent)["status"] == "pending"


def test_a_lead_gives_a_ticket_to_somebody_who_hears_of_it(page, demo):
    ticket = demo.api.open("For Ben")
    sign_in(page, demo, "leo")
    page.goto(f"{demo.url}{QUEUE}{ticket['id']}/change/")
    page.locator("summary", has_text="Assign…").click()
    page.get_by_label("To", exact=True).select_option("ben")
    page.get_by_label("Note").fill("You know the file.")
    page.get_by_role("button", name="Assign", exact=True).click()
    expect(page.get_by_text("Ben Adler holds this.")).to_be_visible()
    told = demo.mail_about(ticket, to="ben")
    while not told["Subject"].startswith("[Given to you"):
        count = sum(mail["To"] == "ben@demo.example" for mail in demo.box.mails)
        told = demo.box.to("ben@demo.example", count=count)
    assert "You know the file." in told.get_body(("plain",)).get_content()


def test_a_sample_arrives_as_a_test_mail(page: Page, demo: Demo):
    samples = [{"subject": f"Spring offer {n}", "body": "Hello"} for n in range(1, 6)]
    proposal = {
        "recipient_count": 300,
        "segments": ["north"],
        "sample_emails": samples,
        "send_time_estimate": "10 minutes",
        "compliance_checklist": {"opt out": True},
    }
    ticket = demo.api.open("Spring letters", checkpoint="email-campaign", proposal=proposal)
    sign_in(page, demo, "leo")
    page.goto(f"{demo.url}{QUEUE}{ticket['id']}/change/")
    page.locator("summary", has_text="test mail").click()
    page.get_by_label("Sample", exact=True).select_option("3")
    page.get_by_role("button", name="Send the test").click()
    expect(page.get_by_text("The test mail is on its way to 1 person.")).to_be_visible()
    seen = 1
    while True:
        mail = demo.box.to("leo@demo.example", count=seen)
        if mail["Subject"].startswith("[Test]"):
            break
        seen += 1
    assert mail["Subject"] == f"[Test] Spring offer 3 ({ticket['ref']})"


def test_a_person_sees_what_was_asked_for_them_and_cancels_it(page, demo):
    ticket = demo.api.open("Order a stool", on_behalf_of="otto@demo.example")
    sign_in(page, demo, "otto")
    page.get_by_role("link", name="My requests").first.click()
    request = page.locator(".request", has_text="Order a stool")
    expect(request.get_by_text("Nobody holds it yet.")).to_be_visible()
    request.locator("summary").click()
    request.get_by_label("Why").fill("Found one.")
    request.get_by_role("button", name="Cancel this request").click()
    expect(page.locator(".request", has_text="Order a stool")).to_contain_text("Cancelled")
    assert demo.api.read(ticket)["status"] == "cancelled"


def test_after_a_decision_the_next_one_comes_with_a_way_back(page, demo):
    first = demo.api.open("Pay and go on")
    demo.api.open("The one after", financial_impact=1, compliance=True, priority="critical")
    sign_in(page, demo, "ana")
    page.goto(f"{demo.url}{QUEUE}preferences/")
    page.get_by_label("After a decision, go on to the next ticket").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.goto(f"{demo.url}{QUEUE}{first['id']}/change/")
    press(page, "a")
    page.wait_for_url("**?done=**")
    expect(page.locator(".banner.done")).to_contain_text("Approved: ")
    assert demo.api.read(first)["status"] == "approved"


def test_keys_that_are_switched_off_stay_silent(page, demo):
    demo.api.open("Not by accident")
    sign_in(page, demo, "ben")
    page.goto(f"{demo.url}{QUEUE}preferences/")
    page.get_by_label("Single keys work").uncheck()
    page.get_by_role("button", name="Save").click()
    page.goto(f"{demo.url}{QUEUE}")
    press(page, "j")
    press(page, "x")
    expect(page.locator("input[name=ticket]:checked")).to_have_count(0)
    expect(page.locator("[data-row]:focus")).to_have_count(0)
    page.goto(f"{demo.url}{QUEUE}preferences/")
    page.get_by_label("Single keys work").check()
    page.get_by_role("button", name="Save").click()


def test_what_was_begun_to_write_is_there_after_a_look_elsewhere(chloe, demo):
    ticket = demo.api.open("Half a thought")
    page = f"{demo.url}{QUEUE}{ticket['id']}/change/"
    chloe.goto(page)
    press(chloe, "r")
    chloe.keyboard.type("The supplier is")
    chloe.goto(f"{demo.url}{QUEUE}")
    chloe.goto(page)
    reason = chloe.get_by_label("Reason", exact=True).first
    expect(reason).to_have_value("The supplier is")
    chloe.get_by_role("button", name="Reject").click()
    expect(chloe.get_by_role("heading", name="Rejected")).to_be_visible()
    assert chloe.evaluate("Object.keys(sessionStorage).length") == 0
