"""One demo for every browser test: served once, with its mail, people and tickets to look at."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.browser.calls import Api
from tests.journeys.mailbox import Mailbox, link_in


@dataclass
class Demo:
    """A running service, its people by name, a service key to open tickets with, and its mail."""

    url: str
    people: dict[str, dict[str, Any]]
    api: Api
    box: Mailbox
    folder: Path
    cookies: dict[str, list[Any]] = field(default_factory=dict)

    def as_person(self, username: str) -> Api:
        """Return the interface as this person uses it."""
        return Api(self.url, self.people[username]["token"])

    def vote(self, username: str, ticket: dict[str, Any], choice: str, **more: Any) -> None:
        """Let somebody answer a ticket as it stands."""
        now = self.api.read(ticket)
        body = {"choice": choice, "version": now["version"], **more}
        self.as_person(username).call("POST", f"/tickets/{ticket['id']}/votes", body)

    def mail_about(self, ticket: dict[str, Any], *, to: str) -> Any:
        """Return the first mail somebody got about a ticket, waiting for it."""
        address = f"{to}@demo.example"
        seen = 0
        while True:
            mail = self.box.to(address, count=seen + 1)
            if ticket["ref"] in mail["Subject"]:
                return mail
            seen += 1

    def link_about(self, ticket: dict[str, Any], *, to: str = "chloe") -> str:
        """Return the link in somebody's mail, as this machine reaches it."""
        return f"{self.url}/a/{link_in(self.mail_about(ticket, to=to)).rpartition('/')[2]}"
