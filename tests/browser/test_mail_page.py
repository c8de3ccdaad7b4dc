"""The mail page in a real browser: with the keyboard, without scripts, on a phone."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Demo, press
from tests.journeys.mailbox import html_of

pytestmark = pytest.mark.browser

CHLOE = "chloe@demo.example"


class Post:
    """The demo, and what its people found in their mail."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo

    def link_to(self, title: str, **more: Any) -> str:
        """Open a ticket and return the link Chloe gets for it, as this machine reaches it."""
        return self.demo.link_about(self.demo.api.open(title, **more))


@pytest.fixture
def post(demo: Demo) -> Post:
    return Post(demo)


@pytest.fixture(params=["light, wide", "dark, wide", "light, phone", "dark, phone"])
def reader(request: Any, browser: Browser, post: Post) -> Iterator[Page]:
    """A browser that runs no script and may speak to nobody but the service."""
    scheme, _, size = request.param.partition(", ")
    width = 360 if size == "phone" else 1280
    context = browser.new_context(
        java_script_enabled=False,
        color_scheme=scheme,
        viewport={"width": width, "height": 740},
    )
    context.set_default_timeout(10_000)
    yield from _watched(context, post)


def _watched(context: BrowserContext, post: Post) -> Iterator[Page]:
    foreign: list[str] = []
    page = context.new_page()
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((post.demo.url + "/", "data:"))
            else foreign.append(request.url)
        ),
    )
    yield page
    context.close()
    assert foreign == []


def test_a_link_is_opened_and_the_answer_confirmed_without_scripts(
    reader: Page, post: Post
) -> None:
    link = post.link_to("Pay the printer")
    reader.goto(link)
    assert "/a/d/" in reader.url
    assert link.rpartition("/")[2] not in reader.content()
    expect(reader.get_by_role("heading", level=1)).to_have_text("Pay the printer")
    expect(reader.get_by_role("radio", checked=True)).to_have_count(0)
    expect(reader.get_by_label("Suggested changes")).to_be_hidden()
    reader.get_by_label("Reject").check()
    reader.get_by_role("button", name="Confirm").click()
    expect(reader.get_by_text("Say why.")).to_be_visible()
    expect(reader.get_by_label("Reject")).to_be_checked()
    reader.get_by_role("textbox", name="Reason").fill("Twice printed.")
    reader.get_by_role("button", name="Confirm").click()
    expect(reader.get_by_role("heading", name="Rejected")).to_be_visible()
    expect(reader.get_by_text("By you")).to_be_visible()


def test_with_the_keyboard_alone_it_takes_few_keys(browser: Browser, post: Post) -> None:
    context = browser.new_context()
    for page in _watched(context, post):
        page.goto(post.link_to("Pay the cook"))
        press(page, "Tab")
        expect(page.get_by_text("Skip to the decision")).to_be_focused()
        press(page, "Enter")
        for _ in range(4):
            press(page, "Tab")
            if page.evaluate("document.activeElement.type") == "radio":
                break
        press(page, "Space")
        expect(page.get_by_label("Approve", exact=True)).to_be_checked()
        press(page, "Enter")
        expect(page.get_by_role("heading", name="Approved")).to_be_visible()


def test_the_page_fits_a_phone_and_its_targets_a_thumb(browser: Browser, post: Post) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640}, has_touch=True)
    for page in _watched(context, post):
        page.goto(post.link_to("Pay " + "a-long-name-" * 12, proposal={"payee": "x" * 300}))
        assert page.evaluate("document.documentElement.scrollWidth") == 320
        for target in page.locator(".pick, .button").all():
            box = target.bounding_box()
            assert box is not None
            assert box["height"] >= 44


def test_what_an_answer_asks_for_opens_with_it(browser: Browser, post: Post) -> None:
    context = browser.new_context()
    for page in _watched(context, post):
        page.goto(post.link_to("Pay less"))
        page.get_by_role("radio", name="Approve with changes").check()
        page.get_by_label("Total").fill("700")
        page.get_by_role("textbox", name="Reason").fill("As agreed.")
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("heading", name="Approved")).to_be_visible()
        page.goto(post.link_to("Ask again"))
        page.get_by_role("radio", name="Request changes").check()
        expect(page.get_by_role("textbox", name="Reason")).to_be_hidden()
        page.get_by_label("What must change").fill("Name the payee.")
        page.get_by_role("button", name="Confirm").click()
        expect(page.get_by_role("heading", name="Needs changes")).to_be_visible()


def test_hostile_mails_run_nothing_and_fetch_nothing(browser: Browser, post: Post) -> None:
    evil = '"><script>document.title="run"</script><img src="//evil.example/x" onerror=alert(1)>'
    style = "</style><style>@import url(https://evil.example/y);</style>"
    ticket = post.demo.api.open(evil, summary=style, proposal={"payee": evil, evil: style})
    html = html_of(post.demo.mail_about(ticket, to="chloe"))
    context = browser.new_context()
    asked: list[str] = []
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    page.set_content(html)
    assert asked == []
    assert page.title() == ticket["ref"]
    assert page.locator("a").count() == 1
    button = page.get_by_role("link", name="Review and decide").bounding_box()
    assert button is not None
    assert button["height"] >= 44
    assert re.search(r"document\.title=", page.inner_text("body"))
    context.close()
