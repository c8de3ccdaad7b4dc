"""Every page people meet, as data: who looks, at which address, and what is opened there.

To have a page looked at, append a `Place`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Page

from tests.browser.stage import Demo
from tests.serving import manage

_CAMPAIGN = {
    "recipient_count": 240,
    "segments": ["north", "returning"],
    "sample_emails": [{"subject": f"Mail {n}", "body": "word " * 120} for n in range(5)],
    "send_time_estimate": "25 minutes",
    "compliance_checklist": {"opt_out_link": True, "sender_named": False, "region": "EU"},
}
_UPGRADE = {
    "current_model": "mistral-7",
    "new_model": "mistral-9",
    "current_output": "The roof is sound and needs no work this year.",
    "new_output": "The roof is sound but needs work this year.",
    "cost_difference": 12.5,
    "quality_metrics": {"mistral-7": {"accuracy": 0.91}, "mistral-9": {"accuracy": 0.94}},
}
_COSTS = {
    "daily_spend": 91,
    "daily_budget": 100,
    "operation_cost": 60,
    "projected_month": 2900,
    "monthly_budget": 2500,
    "breakdown": {"search": 40, "writing": 51},
}
_CHEAP = {**_COSTS, "daily_spend": 1, "operation_cost": 1, "projected_month": 30}
_RICH = {
    "payee": "ACME",
    "total": 900,
    "agreed": True,
    "lines": ["one", "two"],
    "accounts": {"north": 1, "south": 2},
    "rows": [{"name": "a", "cost": 1}, {"name": "b", "cost": 2}],
    "per_region": {"north": {"cost": 1}, "south": {"cost": 2}},
    "deep": {"a": [{"b": [1]}]},
    "long": "word " * 300,
    "odd": "pay\u202epal",
}
_AI = {
    "prediction": "approve",
    "confidence": 0.71,
    "model": "drafter-2",
    "reasoning": "Twelve like it were paid.",
    "features": [{"name": "age", "value": 3, "importance": 0.4}, {"name": "b", "importance": -0.2}],
    "options": [
        {"key": "a", "label": "Pay", "confidence": 0.7, "pros": ["fast"], "cons": ["dear"]}
    ],
}


@dataclass(frozen=True)
class Place:
    """One page. `opened` are elements to press there, one after the other; each is looked at.

    :param who: the person signed in; nobody where it is empty.
    :param ready: what must be on the page before it is looked at.
    :param does: something else to do on the page first.
    """

    name: str
    address: Callable[[Demo], str]
    who: str = "chloe"
    opened: tuple[str, ...] = ()
    ready: str = "main, #main"
    does: Callable[[Page], Any] | None = None


def at(path: str) -> Callable[[Demo], str]:
    """Return the address of a page that is always there."""
    return lambda demo: f"{demo.url}{path}"


def ticket(**given: Any) -> Callable[[Demo], str]:
    """Return the address of a new ticket's page."""
    return lambda demo: page_of(demo, demo.api.open(given.pop("title", "Pay ACME"), **given))


def page_of(demo: Demo, one: dict[str, Any]) -> str:
    return f"{demo.url}/admin/reviews/ticket/{one['id']}/change/"


def _held(demo: Demo) -> str:
    one = demo.api.open("A campaign", checkpoint="email-campaign", proposal=_CAMPAIGN)
    demo.vote("chloe", one, "approve", reason="Sample 2 reads well.")
    return page_of(demo, one)


def _decided(choice: str, **more: Any) -> Callable[[Demo], str]:
    def address(demo: Demo) -> str:
        one = demo.api.open("Pay ACME", proposal={"payee": "ACME", "total": 900})
        demo.vote("chloe", one, choice, **more)
        return page_of(demo, one)

    return address


def _passed(demo: Demo) -> str:
    return page_of(demo, demo.api.open("Costs", checkpoint="cost-threshold", proposal=_CHEAP))


def _looked_at(demo: Demo) -> str:
    one = demo.api.open("Costs", checkpoint="cost-threshold", proposal=_CHEAP)
    asked = {"reason": "It was billed twice."}
    return page_of(demo, demo.api.call("POST", f"/tickets/{one['id']}/request-review", asked))


def ready_rules(page: Page) -> None:
    """Open the ready-made rules and add a set of bands to the page."""
    page.locator("#main [href$='/change/']").first.click()
    page.locator("summary", has_text="Ready-made rules").click()
    page.get_by_role("button", name="Add these bands").click()
    page.get_by_text("Sure enough to pass").first.wait_for()
    page.locator("#simulated h3, #simulated p").first.wait_for()
    page.locator("summary", has_text="Ready-made rules").click()


def _changed(demo: Demo) -> str:
    one = demo.api.open("Pay ACME", proposal={"payee": "ACME", "total": 900, "gone": 1})
    told = {"proposal": {"payee": "ACME", "total": 700, "new": "yes"}}
    demo.api.call("POST", f"/tickets/{one['id']}/resubmit", told)
    return page_of(demo, one)


def _stale(page: Page) -> None:
    """Vote on a version that is not there any more."""
    page.eval_on_selector("[data-votes] [name=version]", "(field) => { field.value = '7' }")
    page.get_by_role("button", name="Approve", exact=False).first.click()
    page.locator("#banner").wait_for()


def _refused_form(page: Page) -> None:
    """Send a form with nothing in it."""
    page.locator("details.answer:has([name=choice]) > summary").first.click()
    page.locator("details.answer[open] form button.wide").first.click()
    page.locator(".error").first.wait_for()


def _reason(page: Page) -> None:
    page.locator("[data-needs-reason]").first.click()


def link(state: str, **given: Any) -> Callable[[Demo], str]:
    """Return the address a link leads to once its ticket is in a state."""

    def address(demo: Demo) -> str:
        one = demo.api.open("Pay ACME", **{"proposal": _RICH, "ai": _AI, **given})
        found = demo.link_about(one)
        if state == "changed":
            told = {"proposal": {"total": 5}}
            demo.api.call("POST", f"/tickets/{one['id']}/resubmit", told)
        elif state == "decided":
            demo.vote("leo" if given else "chloe", one, "approve")
        elif state == "voted":
            demo.vote("chloe", one, "approve")
        elif state in _ROWS:
            done = manage("shell", "-c", _ROWS[state].format(ticket=one["id"]), folder=demo.folder)
            assert done.returncode == 0, done.stderr
        return found

    return address


# What no door does: a day passes, and somebody turns out to have written what is asked.
_ROWS = {
    "expired": """
from datetime import timedelta
from django.db.models import F
from approvals.models import DecisionLink
found = DecisionLink.objects.filter(decision__subject="{ticket}")
assert found.update(expires_at=F("expires_at") - timedelta(days=2))
""",
    "not asked": """
from approvals.models import Decision, Exclusion, User
decision = Decision.objects.get(subject="{ticket}")
Exclusion.objects.create(decision=decision, user=User.objects.get(username="chloe"), why="editor")
""",
}


def _confirmed(page: Page) -> None:
    """Answer on the page of a link."""
    page.locator(".pick input").first.check()
    page.get_by_role("button", name="Confirm").click()
    page.locator(".stamp").wait_for()


def _decided_elsewhere(page: Page) -> None:
    """Approve the first ticket shown, or this one, as another tab would; the page hears of it."""
    page.locator("[data-live].on").wait_for()
    page.evaluate(
        """async () => {
            const row = document.querySelector("[data-row]");
            const body = new FormData();
            const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
            const sent = { csrfmiddlewaretoken: token, act: "vote", choice: "approve", version: 1 };
            for (const [name, value] of Object.entries(sent)) body.set(name, value);
            await fetch(row ? row.href : location.pathname, { method: "POST", body });
        }"""
    )
    page.locator(".row.gone, [data-changed] .banner").first.wait_for()


def _chosen(button: str, then: str = "") -> Callable[[Page], Any]:
    """Choose what the queue shows, press a button, and one on the page that follows."""

    def does(page: Page) -> None:
        boxes = page.locator("input[name=ticket]")
        for place in range(min(boxes.count(), 4)):
            boxes.nth(place).check()
        page.get_by_role("button", name=button).click()
        page.locator(".page-bulk").wait_for()
        if then:
            page.get_by_role("button", name=then, exact=False).first.click()
            page.wait_for_url("**/result/")

    return does


def _renewals(demo: Demo) -> str:
    for number in range(2):
        demo.api.open(f"Renewal {number}")
    return f"{demo.url}/admin/reviews/ticket/?q=Renewal"


def _figures(demo: Demo) -> str:
    past = "from tests.past import live_through; live_through(days=9, per_day=5)"
    done = manage("shell", "-c", past, folder=demo.folder)
    assert done.returncode == 0, done.stderr
    return f"{demo.url}/admin/reviews/dashboard/"


def _asked_for(demo: Demo) -> str:
    for name in ("Order a chair", "Order a lamp"):
        one = demo.api.open(name, on_behalf_of="otto@demo.example", amount=120)
    demo.vote("chloe", one, "reject", reason="We have three of them.")
    return f"{demo.url}/admin/reviews/ticket/requests/"


def follow(link: str) -> Callable[[Page], Any]:
    """Return what presses the first such link and waits for where it leads."""

    def followed(page: Page) -> None:
        here = page.url
        page.locator(link).first.click()
        page.wait_for_url(lambda url: url != here)
        page.locator("main, #main").first.wait_for()

    return followed


def _new_webhook(page: Page) -> None:
    page.get_by_label("Name").fill("Looked at")
    page.get_by_label("Address").fill("https://ledger.example.com/hooks")
    with page.expect_navigation():
        page.get_by_role("button", name="Create webhook").click()


def webhook(demo: Demo) -> str:
    """Return the address of a webhook of whose messages some arrived, some did not."""
    return _made(demo, disabled="None", why="")


def _disabled_webhook(demo: Demo) -> str:
    """Return the address of a webhook whose receiver wants no more."""
    return _made(demo, disabled="now", why="The receiver answered 410: it wants no more.")


def _made(demo: Demo, **given: str) -> str:
    done = manage("shell", "-c", _FAILING.format(**given), folder=demo.folder)
    assert done.returncode == 0, done.stderr
    return f"{demo.url}{done.stdout.strip().splitlines()[-1]}"


_FAILING = """
from datetime import timedelta
from audit.clock import db_now
from audit.services import Draft
from approvals.models import User
from reviews.models import Delivery, FailedAttempt, WebhookEndpoint
from reviews.outbox import delivery
from reviews.signatures import new_secret
now, maya = db_now(), User.objects.get(username="maya")
one = WebhookEndpoint.objects.create(
    name="Ledger", url="https://ledger.example.com/hooks", secret=new_secret(),
    created_by=maya, created_at=now, disabled_at={disabled}, disabled_why={why!r},
)
told = [("ticket.opened", "sent", ""), ("ticket.decided", "parked", "The receiver answered 500."),
        ("ticket.vote_cast", "waiting", "Nobody answers at this address."), ("ping", "sent", "")]
for age, (type, state, error) in enumerate(told):
    row = delivery(Draft(type, now), "webhook", str(one.pk), body={{}}, endpoint=one)
    row.state, row.attempts, row.last_error = state, 10 if state == "parked" else 1, error
    row.last_status = 204 if state == "sent" else 500 if "500" in error else None
    row.sent_at = now if state == "sent" else None
    row.next_attempt_at = now + timedelta(hours=2) if state == "waiting" else None
    row.save(force_insert=True)
    for number in range(1, row.attempts + 1) if error else ():
        FailedAttempt.objects.create(delivery=row, number=number, at=now, error=error,
                                     status=row.last_status, milliseconds=41 * number)
print("/admin/reviews/webhookendpoint/%s/change/" % one.pk)
"""


def new_calendar(page: Page) -> None:
    """Make a calendar, and stay on its page with what it means."""
    page.locator("[name=name]").fill(f"Office {time.time_ns() % 1000}")
    page.locator("[name=time_zone]").fill("Europe/Berlin")
    page.locator("[name=country]").fill("DE")
    page.locator("[name=lines]").fill("2026-12-24 9:00-12:00 Christmas Eve")
    page.get_by_role("button", name="Save").click()
    page.locator(".try").first.wait_for()


def _an_event(page: Page) -> None:
    page.locator("summary", has_text="Proof").first.click()
    follow(".proof [href$='/change/']")(page)


def _new_key(page: Page) -> None:
    page.get_by_label("Name").fill("Looked at")
    page.get_by_label("Kind").select_option(label="Service key")
    page.get_by_label("Open, resubmit and cancel tickets").check()
    page.get_by_role("button", name="Create key").click()
    page.locator(".secret").first.wait_for()


def _logged_out(page: Page) -> None:
    page.locator(_KNOWN).click()
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="You are logged out").wait_for()


_KNOWN = "details.menu > summary"
_HELP = "[data-help]"

DESK = (
    Place("queue", at("/admin/reviews/ticket/"), opened=(_KNOWN, _HELP), ready="#list"),
    Place("queue, picks open", at("/admin/reviews/ticket/?q=a"), opened=("[data-pick] > summary",)),
    Place("queue, chosen", at("/admin/reviews/ticket/"), opened=("input[name=ticket]",)),
    Place("queue, nothing found", at("/admin/reviews/ticket/?q=zzzz")),
    Place("queue, decided", at("/admin/reviews/ticket/?show=decided")),
    Place("queue, several looked at", at("/admin/reviews/ticket/"), does=_chosen("Approve…")),
    Place(
        "queue, several answered",
        _renewals,
        does=_chosen("Approve…", then="Approve"),
    ),
    Place("queue, decided elsewhere", _renewals, does=_decided_elsewhere),
    Place(
        "ticket, decided elsewhere",
        ticket(proposal={"payee": "ACME", "total": 900}),
        does=_decided_elsewhere,
    ),
    Place("queue, several to give", at("/admin/reviews/ticket/"), "leo", does=_chosen("Assign…")),
    Place("my requests", _asked_for, "otto", opened=(".request summary",), ready="#list"),
    Place("my requests, none", at("/admin/reviews/ticket/requests/"), "ada", ready="#list"),
    Place(
        "ticket, to hand on",
        ticket(checkpoint="email-campaign", proposal=_CAMPAIGN),
        "leo",
        opened=(".around summary", ".test-mail > summary"),
    ),
    Place(
        "ticket, pending",
        ticket(proposal=_RICH, ai=_AI, amount=900),
        opened=("details.rest summary", "details.answer > summary", _KNOWN),
        does=_reason,
    ),
    Place("ticket, of a campaign", ticket(checkpoint="email-campaign", proposal=_CAMPAIGN)),
    Place("ticket, of an upgrade", ticket(checkpoint="ai-upgrade", proposal=_UPGRADE)),
    Place("ticket, of costs", ticket(checkpoint="cost-threshold", proposal=_COSTS)),
    Place(
        "ticket, passed by a rule",
        _passed,
        who="leo",
        opened=("summary:has-text('Have a person look')",),
    ),
    Place("ticket, a second look", _looked_at, who="leo"),
    Place("ticket, held", _held),
    Place("ticket, approved", _decided("approve"), opened=(".card details > summary",)),
    Place("ticket, rejected", _decided("reject", reason="Paid in March.")),
    Place("ticket, changed", _changed),
    Place("ticket, not one's own to decide", ticket(), who="ada"),
    Place("ticket, out of date", ticket(), does=_stale),
    Place("ticket, refused", ticket(), does=_refused_form),
    Place("log in", at("/admin/login/"), who=""),
    Place("logged out", at("/admin/reviews/ticket/"), "ben", does=_logged_out),
    Place("nothing here", at("/nowhere"), who=""),
    Place("preferences", at("/admin/reviews/ticket/preferences/")),
    Place("tokens", at("/admin/reviews/ticket/tokens/")),
    Place("figures", _figures, "maya", opened=(".as-table > summary", ".pick > summary")),
    Place("figures of few", at("/admin/reviews/dashboard/?period=7d&model=none"), "chloe"),
    Place("bypass", at("/admin/approvals/bypass/"), "maya", opened=(".scope > summary",)),
    Place("bypass, only to look at", at("/admin/approvals/bypass/"), "otto"),
    Place("password", at("/admin/password_change/")),
)
MAIL = (
    Place("link, open", link("open"), who="", ready="#decision"),
    Place("link, open, an answer chosen", link("open"), who="", opened=(".pick input",)),
    Place("link, sign in", link("open", checkpoint="email-campaign", proposal=_CAMPAIGN), who=""),
    Place("link, decide at the desk",
          link("open", checkpoint="ai-upgrade", proposal=_UPGRADE), who=""),
    Place("link, decided", link("decided"), who=""),
    Place("link, used", link("open"), who="", does=_confirmed),
    Place("link, voted", link("voted", priority="critical"), who="",
          ready="#decision-h:has-text('You answered')"),
    Place("link, expired", link("expired"), who="",
          ready="#decision-h:has-text('Links work for a day')"),
    Place("link, not asked", link("not asked"), who="",
          ready="#decision-h:has-text('Nothing for you to decide')"),
    Place("link, changed", link("changed"), who=""),
    Place("link, of another", link("open"), who="ben"),
    Place("link, unknown", at("/a/nothing-of-the-kind"), who=""),
)  # fmt: skip
SETTINGS = (
    Place("roles", at("/admin/auth/group/"), who="ada"),
    Place("a role", at("/admin/auth/group/1/change/"), who="ada"),
    Place("checkpoints", at("/admin/reviews/checkpoint/"), who="ada"),
    Place("policies", at("/admin/approvals/approvalpolicy/"), who="ada"),
    Place("a new role", at("/admin/auth/group/add/"), who="ada"),
    Place("a role's question, taken away", at("/admin/auth/group/1/change/"), who="ada",
          does=follow(".take")),
    Place("a checkpoint", at("/admin/reviews/checkpoint/"), who="ada",
          does=follow("[href$='/change/']")),
    Place("a checkpoint, its ready-made rules", at("/admin/reviews/checkpoint/"), who="ada",
          does=ready_rules),
    Place("a new checkpoint", at("/admin/reviews/checkpoint/add/"), who="ada"),
    Place("a policy", at("/admin/approvals/approvalpolicy/"), who="ada",
          does=follow("#main [href$='/change/']")),
    Place("a new policy", at("/admin/approvals/approvalpolicy/add/"), who="ada"),
    Place("people", at("/admin/approvals/user/"), who="ada"),
    Place("a person", at("/admin/approvals/user/2/change/"), who="ada"),
    Place("keys", at("/admin/approvals/accesskey/"), who="ada"),
    Place("a new key", at("/admin/approvals/accesskey/add/"), who="ada"),
    Place("a new key, shown once", at("/admin/approvals/accesskey/add/"), who="ada",
          does=_new_key),
    Place("a key", at("/admin/approvals/accesskey/"), who="ada",
          does=follow("#main [href$='/change/']")),
    Place("queues", at("/admin/reviews/queue/"), who="ada"),
    Place("calendars", at("/admin/reviews/calendar/"), who="ada"),
    Place("a new calendar", at("/admin/reviews/calendar/add/"), who="ada"),
    Place("a calendar", at("/admin/reviews/calendar/add/"), who="ada", does=new_calendar),
    Place("webhooks", at("/admin/reviews/webhookendpoint/"), who="ada"),
    Place("a new webhook", at("/admin/reviews/webhookendpoint/add/"), who="ada"),
    Place("a new webhook, shown once", at("/admin/reviews/webhookendpoint/add/"), who="ada",
          does=_new_webhook),
    Place("a webhook", webhook, who="ada"),
    Place("a webhook, disabled", _disabled_webhook, who="ada"),
    Place("a delivery", webhook, who="ada", does=follow("li:has(.chip.bad) a")),
    Place("a new queue", at("/admin/reviews/queue/add/"), who="ada"),
    Place("deliveries", at("/admin/reviews/delivery/"), who="ada"),
    Place("audit", at("/admin/audit/auditevent/"), who="ada"),
    Place("an event", at("/admin/audit/auditevent/"), who="otto", does=_an_event),
    Place("chain heads", at("/admin/audit/chainhead/"), who="ada"),
    Place("seals", at("/admin/audit/seal/"), who="ada"),
    Place("second factor", at("/account/second-factor/"), who="chloe"),
    Place("while away", at("/admin/approvals/delegation/away/"), who="chloe"),
)  # fmt: skip
PLACES = (*DESK, *MAIL, *SETTINGS)
