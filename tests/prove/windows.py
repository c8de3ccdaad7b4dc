"""A real browser that counts what texts do: scripts that ran, hosts that were asked, elements."""

import contextlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Error, Page, Route, sync_playwright

from tests.prove.hostile import HOST

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--disable-default-apps", "--no-first-run", "--disable-dev-shm-usage"),
)
# What hides, as Unicode has it; told here once more, so that the product does not judge itself.
_HIDING = frozenset({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5")
# Opens what is folded, tries what a text made, and returns [elements made, ways out, all text].
_LOOK = """async (own) => {
  for (const one of document.querySelectorAll("details")) one.open = true;
  const handled = [...document.querySelectorAll("main *, article *, body > *")].filter(
    (one) => /url\\(/.test(one.getAttribute("style")) ||
      [...one.attributes].some((a) => /^on/i.test(a.name)));
  const made = new Set([...document.querySelectorAll(".made"), ...handled]);
  // Read as it is written: a form may have a field called `action`.
  const address = (one) => {
    const written = one.getAttribute("href") ?? one.getAttribute("action");
    try { return new URL(written, document.baseURI).href; } catch { return written; }
  };
  const out = [...document.querySelectorAll("a[href], form[action], area[href]")].filter(
    (one) => !address(one).startsWith(own));
  for (const one of [...made, ...out].slice(0, 80)) {
    for (const what of ["mouseover", "focus", "click"]) one.dispatchEvent(new MouseEvent(what));
    if (/^(javascript|data):/i.test(one.href || "")) one.click();
  }
  await new Promise((done) => setTimeout(done, 30));
  const typed = [...document.querySelectorAll("input:not([type=hidden]), textarea, option")].map(
    (one) => one.tagName === "OPTION" ? one.textContent : one.value);
  const told = [...document.querySelectorAll("[title], [aria-label]")].map(
    (one) => `${one.title} ${one.getAttribute("aria-label") || ""}`);
  const shown = [document.title, document.body?.innerText ?? "", ...typed, ...told];
  return [made.size, out.length, shown.join("\\n")];
}"""


def hides(character: str) -> bool:
    """Tell whether a character shows nothing of itself."""
    if character in "\n\t":
        return False
    return unicodedata.category(character) in _HIDING or character in _BLANK


@dataclass
class Seen:
    """What pages did that they should not have, and how many there were."""

    pages: int = 0
    told: int = 0  # pages on which one of the texts is to be read
    seconds: float = 0.0
    scripts: int = 0
    hosts: int = 0
    elements: int = 0
    ways_out: int = 0
    hidden: Counter[str] = field(default_factory=Counter)

    @property
    def sums(self) -> dict[str, int]:
        """Return the counts that must all be 0."""
        return {
            "script_runs": self.scripts,
            "requests_to_other_hosts": self.hosts,
            "elements_made": self.elements,
            "links_to_elsewhere": self.ways_out,
            "hidden_characters_unflagged": sum(self.hidden.values()),
        }


class Window:
    """One tab of one person; what its pages do is added to `seen`."""

    def __init__(self, browser: Browser, own: str, seen: Seen, cookie: str = "") -> None:
        self.own, self.seen = own, seen
        self.context = browser.new_context()
        self.context.set_default_timeout(10_000)
        named = [pair.partition("=") for pair in cookie.split("; ") if pair]
        self.context.add_cookies([{"name": n, "value": v, "url": own} for n, _, v in named])
        self.context.add_init_script("window.ran = (n) => console.log('canary ran ' + n);")
        self.context.route("**/*", self._asked)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._told)
        self.page.on("dialog", self._spoken)

    def _asked(self, route: Route) -> None:
        url = route.request.url
        if url.startswith((self.own + "/", "data:", "about:", "blob:")):
            route.continue_()
        else:
            self.seen.hosts += 1
            route.abort()

    def _told(self, line: Any) -> None:
        self.seen.scripts += line.text.startswith("canary ran")

    def _spoken(self, dialog: Any) -> None:
        self.seen.scripts += 1
        dialog.dismiss()

    def open(self, path: str, *, besides: str = "") -> str:
        """Open a page of the service, try it, and return all the text it shows.

        :param besides: hidden characters that the page itself is written with.
        """
        self._go(lambda: self.page.goto(self.own + path, wait_until="domcontentloaded"))
        return self._look(besides=besides)

    def show(self, html: str, own: str) -> str:
        """Show a mail; only links that begin with `own` may lead anywhere."""
        self._go(lambda: self.page.set_content(html, wait_until="domcontentloaded"))
        return self._look(own)

    def _go(self, going: Callable[[], object]) -> None:
        try:
            going()
        except Error:
            self.seen.ways_out += 1  # a text has led the page away already
        with contextlib.suppress(Error):  # what a text asks for may never come
            self.page.wait_for_load_state("load", timeout=3_000)

    def _look(self, own: str = "", besides: str = "") -> str:
        self.seen.pages += 1
        try:
            made, out, text = self.page.evaluate(_LOOK, own or self.own)
        except Error:
            # A text has led the page away while it was looked at.
            self.seen.ways_out += 1
            return ""
        self.seen.elements += made
        self.seen.ways_out += out
        self.seen.hidden.update(f"U+{ord(c):04X}" for c in text if hides(c) and c not in besides)
        self.seen.told += HOST in text
        return str(text)

    def close(self) -> None:
        self.context.close()


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Start the Chromium of this machine."""
    # Playwright keeps a loop on this thread that waits for nothing of ours.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        program = os.environ.get("CHROMIUM", CHROMIUM)
        # Names of other hosts lead nowhere, whatever a page tries beside its own requests.
        nowhere = f"--host-resolver-rules=MAP {HOST} 127.0.0.1:9"
        browser = playwright.chromium.launch(executable_path=program, args=[*ARGUMENTS, nowhere])
        try:
            yield browser
        finally:
            browser.close()
