"""Every page, in both themes and both sizes, with what can be opened open: axe finds nothing."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser.conftest import sign_in
from tests.browser.places import PLACES, Place
from tests.browser.stage import Demo
from tests.browser.unfold_nodes import UNFOLD

pytestmark = pytest.mark.browser

AXE = Path(__file__).with_name("axe") / "axe.min.js"
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
SIZES = {"desk": (1280, 800), "phone": (360, 740)}
_RUN = """async (levels) => {
  const found = await axe.run(document, {
    runOnly: { type: "tag", values: levels }, resultTypes: ["violations"],
    rules: { "target-size": { enabled: true } },
  });
  return found.violations.flatMap((one) => one.nodes.map((node) => [
    one.id, node.target.flat(9).join(" "), node.html.slice(0, 160), node.failureSummary]));
}"""
_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def looking(browser: Browser) -> BrowserContext:
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(10_000)
    # Beside the pages' own policy: the examiner is no part of them.
    context.add_init_script(path=AXE)
    return context


def complaints(page: Page, place: Place) -> list[str]:
    """Return what axe finds in each theme and size, and what must be scrolled sideways."""
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.evaluate(
            "(theme) => { const is = document.documentElement.classList;"
            " is.remove('light', 'dark'); is.add(theme); }",
            theme,
        )
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            where = f"{theme}, {size}"
            found += [
                f"{where}: {rule} at {target}: {html} ({why})"
                for rule, target, html, why in page.evaluate(_RUN, LEVELS)
                if not is_unfolds_own(rule, html)
            ]
            if size == "phone" and page.evaluate(_WIDE) > 0:
                found.append(f"{where}: has to be scrolled sideways")
    return found


def is_unfolds_own(rule: str, html: str) -> bool:
    return any(rule == known.rule and known.html in html for known in UNFOLD)


def open_one(page: Page, selector: str) -> None:
    for one in page.locator(selector).all():
        if one.is_visible():
            one.click()
            return
    raise AssertionError(f"nothing to press at {selector}")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_everybody_can_use_it(looking: BrowserContext, demo: Demo, place: Place) -> None:
    page = looking.new_page()
    try:
        address = place.address(demo)
        looking.clear_cookies()
        if place.who:
            sign_in(page, demo, place.who)
        page.set_viewport_size({"width": 1280, "height": 800})
        answer: Any = page.goto(address)
        assert answer.status < 500
        page.locator(place.ready).first.wait_for()
        if place.does is not None:
            place.does(page)
        found = complaints(page, place)
        page.set_viewport_size({"width": 1280, "height": 800})
        for selector in place.opened:
            open_one(page, selector)
            found += [f"with {selector} open: {line}" for line in complaints(page, place)]
            page.set_viewport_size({"width": 1280, "height": 800})
    finally:
        page.close()
    assert not found, "\n".join(dict.fromkeys(found))
