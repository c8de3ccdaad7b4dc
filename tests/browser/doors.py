"""The four doors of the house, each with the same handles: desk, interface, mail, command line."""

import json
import re
import subprocess
import urllib.error
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser.calls import Api as Call
from tests.browser.conftest import sign_in
from tests.browser.stage import Demo
from tests.journeys.mailbox import LINK, link_in, text_of
from tests.journeys.test_bypass_cli import Office

Ticket = dict[str, Any]
BYPASS_PAGE = "/admin/approvals/bypass/"
EMERGENCY = "The mail provider is down and orders pile up."


@dataclass
class Door:
    """One way in; what a door does not offer is done at the one it points to."""

    demo: Demo
    browser: Browser
    pages: dict[str, Page] = field(default_factory=dict)

    def at_the_desk(self, person: str, ticket: Ticket) -> Page:
        """Open a ticket in this person's own browser, signed in once."""
        page = self.page_of(person)
        page.goto(f"{self.demo.url}/admin/reviews/ticket/{ticket['id']}/change/")
        return page

    def page_of(self, person: str) -> Page:
        """Return this person's page; nobody's has nobody signed in."""
        if person not in self.pages:
            context = self.browser.new_context()
            context.set_default_timeout(10_000)
            self.pages[person] = context.new_page()
            if person:
                sign_in(self.pages[person], self.demo, person)
        return self.pages[person]

    def vote(
        self, person: str, ticket: Ticket, choice: str, *, reason: str = "", lender: str = ""
    ) -> None:
        """Answer a ticket; with `lender` on behalf of who lent the vote."""
        raise NotImplementedError

    def take_back(self, person: str, ticket: Ticket) -> None:
        """Take one's vote back while the decision is held."""
        page = self.at_the_desk(person, ticket)
        submit(page, "form:has([value=take-back]) button")

    def revoke(self, person: str, ticket: Ticket) -> None:
        """Undo a decision that is in effect."""
        page = self.at_the_desk(person, ticket)
        page.get_by_text("Revoke…").click()
        page.get_by_label("Why").fill("Wrong payee.")
        submit(page, "form:has([value=revoke]) button")

    def start_bypass(self, person: str) -> bool:
        """Start a bypass of the checkpoint `general`; return whether this door can."""
        raise NotImplementedError


class Desk(Door):
    """The ticket page, with its buttons."""

    def vote(
        self, person: str, ticket: Ticket, choice: str, *, reason: str = "", lender: str = ""
    ) -> None:
        page = self.at_the_desk(person, ticket)
        if lender:
            lending = page.locator("form:has([name=choice]) [name=on_behalf_of]").first
            expect(lending).to_have_value(lender)
        if choice == "request_changes":
            page.get_by_text("Request changes…").click()
            page.get_by_label("What must change").fill(reason)
            submit(page, "details[open] form:has([value=request_changes]) button.wide")
            return
        button = f"button[name=choice][value={choice}]"
        if reason:
            # The first press opens the field it needs.
            page.locator(button).click()
            page.locator("#reason").fill(reason)
        submit(page, button)

    def start_bypass(self, person: str) -> bool:
        page = self.page_of(person)
        page.goto(f"{self.demo.url}{BYPASS_PAGE}")
        page.locator("[name=duration]").first.check()
        page.get_by_label("Reason").fill(EMERGENCY)
        page.get_by_text("Only at some checkpoints").click()
        page.locator("[name=checkpoints][value=general]").check()
        page.get_by_label("Your password").fill(self.demo.people[person]["password"])
        submit(page, ".bypass-form button.danger")
        return True


class Interface(Door):
    """HTTP with the person's own token."""

    def vote(
        self, person: str, ticket: Ticket, choice: str, *, reason: str = "", lender: str = ""
    ) -> None:
        more: dict[str, Any] = {"reason": reason} if reason else {}
        if choice == "request_changes":
            more = {"response": {"feedback": reason}}
        if lender:
            more["on_behalf_of"] = lender
        caller = self.demo.as_person(person)
        body = {"choice": choice, "version": caller.read(ticket)["version"], **more}
        caller.call("POST", f"/tickets/{ticket['id']}/votes", body)

    def take_back(self, person: str, ticket: Ticket) -> None:
        self.demo.as_person(person).call("DELETE", f"/tickets/{ticket['id']}/votes/mine")

    def revoke(self, person: str, ticket: Ticket) -> None:
        body = {"reason": "Wrong payee."}
        self.demo.as_person(person).call("POST", f"/tickets/{ticket['id']}/revoke", body)

    def start_bypass(self, person: str) -> bool:
        body = {
            "duration": "30m", "reason": EMERGENCY, "checkpoints": ["general"],
            "password": self.demo.people[person]["password"],
        }  # fmt: skip
        self.demo.as_person(person).call("POST", "/bypasses", body)
        return True


class Mail(Door):
    """The link in a mail that came, opened where nobody is signed in, and confirmed."""

    def open_link(self, person: str, ticket: Ticket) -> Page:
        page = self.page_of("")
        page.goto(self.link(person, self.demo.api.read(ticket)))
        return page

    def link(self, person: str, ticket: Ticket) -> str:
        """Return the link somebody got for the round as it stands, waiting for its mail."""
        address, seen, found = f"{person}@demo.example", 0, 0
        while True:
            mail = self.demo.box.to(address, count=seen + 1)
            seen += 1
            found += ticket["ref"] in mail["Subject"] and bool(LINK.search(text_of(mail)))
            if found == ticket["round"]:
                return f"{self.demo.url}/a/{link_in(mail).rpartition('/')[2]}"

    def vote(
        self, person: str, ticket: Ticket, choice: str, *, reason: str = "", lender: str = ""
    ) -> None:
        before = self.demo.api.read(ticket)
        page = self.open_link(person, ticket)
        assert self.demo.api.read(ticket)["version"] == before["version"], "looking is no vote"
        if lender:
            expect(page.locator("[name=on_behalf_of]")).to_have_value(lender)
        page.locator(f"[name=choice][value={choice}]").check()
        if choice == "request_changes":
            page.get_by_label("What must change").fill(reason)
        elif reason:
            page.locator("#reason").fill(reason)
        submit(page, "button[name=act][value=vote]")

    def take_back(self, person: str, ticket: Ticket) -> None:
        self.pointed_to_the_desk(person, ticket)
        super().take_back(person, ticket)

    def revoke(self, person: str, ticket: Ticket) -> None:
        self.pointed_to_the_desk(person, ticket)
        super().revoke(person, ticket)

    def pointed_to_the_desk(self, person: str, ticket: Ticket) -> None:
        page = self.open_link(person, ticket)
        expect(page.get_by_text("A mistake? At the desk it can be taken back")).to_be_visible()
        expect(page.get_by_role("button")).to_have_count(0)
        expect(page.get_by_role("link", name=re.compile("at the desk$"))).to_be_visible()

    def start_bypass(self, person: str) -> bool:
        """Try with the link of a mail: whatever is sent is a vote at most, and nobody signs in."""
        ticket = self.demo.api.open("Only a link")
        page = self.open_link("chloe", ticket)
        expect(page.get_by_text("bypass")).to_have_count(0)
        page.locator("[name=choice][value=approve]").check()
        act = page.locator("button[name=act]")
        act.evaluate("button => { button.value = 'start' }")
        with page.expect_navigation():
            act.click()
        assert self.demo.api.read(ticket)["decision"]["by"] == "votes"
        page.goto(f"{self.demo.url}{BYPASS_PAGE}")
        assert "/login/" in page.url
        return False


class CommandLine(Door):
    """`hitl` in a process of its own."""

    def run(self, person: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.office.run(person, *arguments)

    @property
    def office(self) -> Office:
        return Office(self.demo.url, self.demo.people, self.demo.api)

    def vote(
        self, person: str, ticket: Ticket, choice: str, *, reason: str = "", lender: str = ""
    ) -> None:
        asked = ["vote", ticket["ref"], choice]
        if choice == "request_changes":
            asked += ["--response", json.dumps({"feedback": reason})]
        elif reason:
            asked += ["--reason", reason]
        if lender:
            asked += ["--for", lender]
        done = self.run(person, *asked)
        assert done.returncode == 0, done.stderr

    def take_back(self, person: str, ticket: Ticket) -> None:
        self.no_such_command(person, "take-back", ticket)
        super().take_back(person, ticket)

    def revoke(self, person: str, ticket: Ticket) -> None:
        self.no_such_command(person, "revoke", ticket)
        super().revoke(person, ticket)

    def no_such_command(self, person: str, name: str, ticket: Ticket) -> None:
        done = self.run(person, name, ticket["ref"])
        assert (done.returncode, f"No such command '{name}'" in done.stderr) == (2, True)

    def start_bypass(self, person: str) -> bool:
        asked = ("bypass", "--duration=30m", f"--reason={EMERGENCY}", "--checkpoint=general")
        password = self.demo.people[person]["password"]
        code, shown = self.office.type(person, *asked, answer=password)
        assert code == 0, shown
        return True


DOORS = {"desk": Desk, "interface": Interface, "mail": Mail, "command line": CommandLine}


def submit(page: Page, button: str) -> None:
    """Press a button that sends a form, and be where it leads."""
    with page.expect_navigation():
        page.locator(button).first.click()


def refusal(caller: Call, method: str, path: str, body: Any = None) -> tuple[int, str]:
    """Return status and code with which a call is refused."""
    try:
        caller.call(method, path, body)
    except urllib.error.HTTPError as refused:
        return refused.code, json.loads(refused.read())["code"]
    raise AssertionError("It was not refused.")
