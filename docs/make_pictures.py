"""Make all pictures of docs/images from a fresh demo: `python docs/make_pictures.py [NAME…]`.

Each screen is looked at in a light window, a dark one and on a phone of 360 px. Needs the
development dependencies and a Chromium (`CHROMIUM=/path` names another one).
"""

import base64
import json
import os
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests import serving  # noqa: E402 - the root is known from here on
from tests.browser.calls import Api  # noqa: E402
from tests.browser.conftest import ARGUMENTS, CHROMIUM, sign_in  # noqa: E402
from tests.browser.places import new_calendar, ready_rules, webhook  # noqa: E402
from tests.browser.stage import Demo  # noqa: E402
from tests.journeys.mailbox import html_of, mail_server  # noqa: E402

IMAGES = ROOT / "docs" / "images"
LARGEST, ALL_TOGETHER = 200_000, 6_000_000
WINDOW = {"width": 1280, "height": 860}
PHONE = {"width": 360, "height": 780}
STYLES: dict[str, dict[str, Any]] = {
    "light": {"viewport": WINDOW, "color_scheme": "light"},
    "dark": {"viewport": WINDOW, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "has_touch": True},
}
QUEUE = "/admin/reviews/ticket/"

# Every colour that is often there, then what differs most; the rest takes its nearest.
REDUCE = """async (source) => {
  const image = new Image(); image.src = source; await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const paper = canvas.getContext("2d"); paper.drawImage(image, 0, 0);
  const data = new Uint32Array(paper.getImageData(0, 0, image.width, image.height).data.buffer);
  const seen = new Map(); for (const one of data) seen.set(one, (seen.get(one) || 0) + 1);
  const parts = (c) => [c & 255, (c >> 8) & 255, (c >> 16) & 255];
  const far = (a, b) => (a[0]-b[0])**2 + (a[1]-b[1])**2 + (a[2]-b[2])**2;
  const palette = []; const place = new Map();
  const often = [...seen].sort((a, b) => b[1] - a[1]).map(([c]) => c);
  for (const near of [48, 0]) for (const c of often) {
    if (palette.length == 256) break;
    const p = parts(c);
    if (!palette.some((other) => far(p, other) <= near)) palette.push(p);
  }
  for (const c of often) {
    const p = parts(c); let best = 0, least = Infinity;
    palette.forEach((other, n) => {
      const d = far(p, other); if (d < least) { least = d; best = n; }
    });
    place.set(c, best);
  }
  const drawn = new Uint8Array(data.length); data.forEach((c, n) => { drawn[n] = place.get(c); });
  let text = ""; for (let n = 0; n < drawn.length; n += 32768)
    text += String.fromCharCode(...drawn.subarray(n, n + 32768));
  return {width: image.width, height: image.height, palette: palette.flat(), drawn: btoa(text)};
}"""


@dataclass(frozen=True)
class Screen:
    """One screen. `address` is asked for once, `does` is done each time it is looked at."""

    name: str
    address: Callable[[Demo], str]
    who: str = "chloe"
    ready: str = "main, #main"
    does: Callable[[Page], Any] | None = None


def at(path: str) -> Callable[[Demo], str]:
    """Return the address of a page that is always there."""
    return lambda demo: demo.url + path


def page_of(demo: Demo, ticket: dict[str, Any]) -> str:
    """Return the address of a ticket's page."""
    return f"{demo.url}{QUEUE}{ticket['id']}/change/"


def past(demo: Demo) -> str:
    """Let the house live through three weeks, so that its figures have something to tell."""
    lived = "from tests.past import live_through; live_through(days=22, per_day=14)"
    done = serving.manage("shell", "-c", lived, folder=demo.folder)
    if done.returncode:
        raise SystemExit(done.stderr)
    return f"{demo.url}/admin/reviews/dashboard/"


def purchase(demo: Demo) -> str:
    """Open a purchase and put it to a second round, so that the picture shows what changed."""
    proposal = {
        "total_cost": 900,
        "currency": "EUR",
        "business_count": 1800,
        "provider": "ACME Data",
        "quality_metrics": {"valid addresses": 0.97, "with e-mail": 0.62},
        "justification": "The spring campaign has no leads north of the river yet.",
    }
    ai = {
        "prediction": "buy",
        "confidence": 0.71,
        "model": "buyer-7",
        "reasoning": "Reply rates in the north were twice as high last spring.",
        "features": [
            {"name": "reply rate last spring", "value": "4.1 %", "importance": 0.42},
            {"name": "price per address", "value": "0.39", "importance": -0.21},
            {"name": "age of the list", "value": "3 months", "importance": 0.14},
        ],
    }
    opened = demo.api.open(
        "Buy 1,800 addresses of bakeries in the north",
        checkpoint="data-purchase",
        proposal=proposal,
        amount=900,
        ai=ai,
    )
    told = {"proposal": {**proposal, "total_cost": 700}, "amount": 700}
    demo.api.call("POST", f"/tickets/{opened['id']}/resubmit", told)
    return page_of(demo, opened)


def campaign(demo: Demo) -> str:
    """Open a campaign and approve it; it is held for a while."""
    mails = [{"subject": f"Spring prices, draft {n}", "body": "Hello Kim, …"} for n in range(1, 6)]
    proposal = {
        "recipient_count": 320,
        "segments": ["bakeries", "south"],
        "sample_emails": mails,
        "send_time_estimate": "about 10 minutes",
        "compliance_checklist": {"unsubscribe link": True, "sender address": True},
    }
    title = "Spring prices to 320 bakeries"
    opened = demo.api.open(title, checkpoint="email-campaign", proposal=proposal)
    demo.vote("chloe", opened, "approve", reason="Draft 2 reads well; send that one.")
    return page_of(demo, opened)


def upgrade(demo: Demo) -> str:
    """Open what carries a high risk."""
    proposal = {
        "current_model": "writer-3",
        "new_model": "writer-5",
        "current_output": "Dear customer, we would like to inform you about our prices.",
        "new_output": "Your prices for May are in; three of them went down.",
        "cost_difference": 0.004,
        "quality_metrics": {"writer-3": {"reply rate": 0.031}, "writer-5": {"reply rate": 0.044}},
    }
    title = "Write campaign texts with writer-5"
    return page_of(demo, demo.api.open(title, checkpoint="ai-upgrade", proposal=proposal))


REFUND = {"amount": 250, "order": "A-17", "why": "The oven came with a broken door."}


def link(demo: Demo) -> str:
    """Open a refund and follow the link somebody got about it."""
    return demo.link_about(demo.api.open("Refund 250 for order A-17", proposal=REFUND, amount=250))


def asked_for(demo: Demo) -> str:
    """Open two requests on somebody's behalf, and answer one."""
    for name, cost in (("Order six chairs for the shop", 540), ("Order a lamp", 120)):
        proposal = {"supplier": "Holz & Co", "total": cost}
        one = demo.api.open(name, on_behalf_of="otto@demo.example", amount=cost, proposal=proposal)
    demo.vote("chloe", one, "reject", reason="We have three of them in the cellar.")
    return f"{demo.url}{QUEUE}requests/"


def renewals(demo: Demo) -> str:
    """Open three that are alike and find them."""
    for name in ("the till", "the booking page", "the newsletter"):
        demo.api.open(f"Renew the licence of {name}", proposal={"months": 12, "price": 48})
    return f"{demo.url}{QUEUE}?q=licence"


def choose_all(page: Page) -> None:
    """Choose everything that is shown and look at what one answer would do."""
    for box in page.locator("input[name=ticket]").all():
        box.check()
    page.get_by_role("button", name="Approve…").click()
    page.locator(".page-bulk").wait_for()


def answer_all(page: Page) -> None:
    """Choose everything that is shown and approve it."""
    choose_all(page)
    page.get_by_role("button", name="Approve", exact=False).first.click()
    page.wait_for_url("**/result/")


def first(part: str) -> Callable[[Page], Any]:
    """Return what follows the first link that has this in its text."""

    def follow(page: Page) -> None:
        here = page.url
        page.locator("#main, main").get_by_role("link", name=part).first.click()
        page.wait_for_url(lambda url: url != here)
        page.locator("main, #main").first.wait_for()

    return follow


def proposed(page: Page) -> None:
    """Put ready-made rules on a checkpoint's page, and see what they would have done."""
    ready_rules(page)
    page.locator("#simulated").evaluate("one => one.scrollIntoView({block: 'center'})")


def sampled(page: Page) -> None:
    """Try a checkpoint with a sample."""
    first("Data purchase")(page)
    first("Try it with a sample")(page)
    proposal = {"total_cost": 900, "business_count": 1800, "provider": "ACME Data"}
    more = {"quality_metrics": {"valid addresses": 0.97}, "justification": "Spring campaign."}
    page.get_by_label("Proposal (JSON)").fill(json.dumps(proposal | more, indent=2))
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("heading", name="People would be asked").wait_for()
    page.evaluate("scrollTo(0, 0)")


def tried(page: Page) -> None:
    """Open a policy and try it with an amount."""
    first("Data purchase")(page)
    page.get_by_label("Amount", exact=True).fill("900")
    page.get_by_role("button", name="Try it").click()
    page.wait_for_url("**amount=900**")
    page.evaluate("scrollTo(0, 0)")


SCREENS = (
    Screen("ticket", purchase, ready="text=You hold this until"),
    Screen("high-risk", upgrade, ready="#decision"),
    Screen("decided", campaign, ready=".stamp"),
    Screen("mail-page", link, who="", ready="#decision"),
    Screen("my-requests", asked_for, who="otto", ready="#list"),
    Screen("queue", at(QUEUE), ready="#list"),
    Screen("bulk", renewals, does=choose_all),
    Screen("bulk-result", renewals, does=answer_all),
    Screen("role", at("/admin/auth/group/"), who="ada", does=first("reviewer")),
    Screen("checkpoint", at("/admin/reviews/checkpoint/"), who="ada", does=first("Data purchase")),
    Screen("trial", at("/admin/reviews/checkpoint/"), who="ada", does=sampled),
    Screen("ready-rules", at("/admin/reviews/checkpoint/"), who="ada", does=proposed),
    Screen("who-decides", at("/admin/approvals/approvalpolicy/"), who="ada", does=tried),
    Screen("keys", at("/admin/approvals/accesskey/"), who="ada"),
    Screen("webhook", webhook, who="ada"),
    Screen("calendar", at("/admin/reviews/calendar/add/"), who="ada", does=new_calendar),
    Screen("audit", at("/admin/audit/auditevent/"), who="ada"),
    Screen("bypass", at("/admin/approvals/bypass/"), who="maya"),
    Screen("figures", past, who="maya"),
    Screen("sign-in", at("/admin/login/"), who=""),
    Screen("away", at("/admin/approvals/delegation/away/")),
    Screen("preferences", at(f"{QUEUE}preferences/")),
    Screen("second-factor", at("/account/second-factor/")),
    Screen("tokens", at(f"{QUEUE}tokens/")),
)


@contextmanager
def staged() -> Iterator[Demo]:
    """Serve a fresh demo whose mails come to a box."""
    with tempfile.TemporaryDirectory(prefix="countersign-") as name, mail_server() as box:
        folder = Path(name)
        for command in (["migrate", "--verbosity", "0"], ["seed_demo"]):
            done = serving.manage(*command, folder=folder, MAIL_NOTICES="false")
            if done.returncode:
                sys.exit(done.stderr)
        known = json.loads((folder / "demo.json").read_text())
        people = {person["username"]: person for person in known["people"]}
        with serving.serving(folder, EMAIL_URL=box.url) as served:
            yield Demo(served.url, people, Api(served.url, known["service_key"]), box, folder)


@contextmanager
def opened(browser: Browser, style: str) -> Iterator[Page]:
    """Open a page that looks like this."""
    context = browser.new_context(**STYLES[style], reduced_motion="reduce", locale="en-GB")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def look(browser: Browser, demo: Demo, screen: Screen) -> None:
    """Store one screen in each style."""
    address = ""
    for style in STYLES:
        with opened(browser, style) as page:
            if screen.who:
                sign_in(page, demo, screen.who)
            if not address or screen.does is answer_all:
                address = screen.address(demo)
            page.goto(address)
            page.locator(screen.ready).first.wait_for(state="attached")
            if screen.does:
                screen.does(page)
            shoot(page, f"{screen.name}-{style}")


def look_at_mail(browser: Browser, demo: Demo) -> None:
    """Store a mail as a mail program shows it."""
    proposal = {**REFUND, "amount": 90, "order": "A-21"}
    ticket = demo.api.open("Refund 90 for order A-21", proposal=proposal, amount=90)
    text = html_of(demo.mail_about(ticket, to="chloe"))
    for style in STYLES:
        with opened(browser, style) as page:
            if style != "phone":
                page.set_viewport_size({"width": 720, "height": 860})
            page.set_content(text)
            shoot(page, f"mail-{style}")


def look_at_bypass(browser: Browser, demo: Demo) -> None:
    """Store what everybody sees while a bypass is active."""
    body = {
        "duration": "30m",
        "reason": "The provider is down and invoices are due today.",
        "incident": "INC-204",
        "password": demo.people["maya"]["password"],
    }
    demo.as_person("maya").call("POST", "/bypasses", body)
    look(browser, demo, Screen("bypass-active", at("/admin/approvals/bypass/"), who="maya"))


def shoot(page: Page, name: str) -> None:
    """Store the window as a picture of 256 colours, and refuse one that is too heavy."""
    page.evaluate("document.fonts.ready")
    raw = page.screenshot(animations="disabled")
    with opened(page.context.browser, "light") as desk:  # type: ignore[arg-type]
        source = f"data:image/png;base64,{base64.b64encode(raw).decode()}"
        found = desk.evaluate(REDUCE, source)
    path = IMAGES / f"{name}.png"
    path.write_bytes(png(found))
    if path.stat().st_size > LARGEST:
        sys.exit(f"{path.name} weighs {path.stat().st_size} bytes; the limit is {LARGEST}.")


def png(found: dict[str, Any]) -> bytes:
    """Return a picture with a palette as a file."""
    width, height, drawn = found["width"], found["height"], base64.b64decode(found["drawn"])
    rows = (b"\0" + drawn[start : start + width] for start in range(0, width * height, width))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            chunk(b"IHDR", head),
            chunk(b"PLTE", bytes(found["palette"])),
            chunk(b"IDAT", zlib.compress(b"".join(rows), 9)),
            chunk(b"IEND", b""),
        )
    )


def main(names: list[str]) -> None:
    """Look at every screen, or at those named."""
    special = {"mail": look_at_mail, "bypass-active": look_at_bypass}
    if not names:
        shutil.rmtree(IMAGES, ignore_errors=True)
    IMAGES.mkdir(exist_ok=True)
    with staged() as demo, sync_playwright() as playwright:
        program = os.environ.get("CHROMIUM", CHROMIUM)
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        for screen in SCREENS:
            if not names or screen.name in names:
                look(browser, demo, screen)
        for name, looking in special.items():
            if not names or name in names:
                looking(browser, demo)
        browser.close()
    weight = sum(path.stat().st_size for path in IMAGES.glob("*.png"))
    if weight > ALL_TOGETHER:
        sys.exit(f"The pictures weigh {weight} bytes together; the limit is {ALL_TOGETHER}.")


if __name__ == "__main__":
    main(sys.argv[1:])
