"""A real mail server for stories: what the service sends arrives here over SMTP."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.smtp import SMTP

LINK = re.compile(r"https?://[^\s/]+/a/([A-Za-z0-9_-]{43})\b")


@dataclass
class Mailbox:
    """Every mail that came, in order; `refuse` answers the next ones with an error instead.

    `unknown` are addresses and what the server answers to whoever writes to them; `bad` is what it
    answers to every mail once it has read it, quoting its `{link}`.
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    refuse: int = 0
    unknown: dict[str, str] = field(default_factory=dict)
    bad: str = ""

    @property
    def url(self) -> str:
        """Return the address to give as EMAIL_URL."""
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.unknown:
            return self.unknown[address]
        envelope.rcpt_tos.append(address)
        return "250 known"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refuse:
            self.refuse -= 1
            return "451 come back later"
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        if self.bad:
            return self.bad.format(link=link_in(mail))
        self.mails.append(mail)
        return "250 taken"

    def to(self, address: str, *, within: float = 20.0, count: int = 1) -> EmailMessage:
        """Return the last of so many mails to an address, waiting for them."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            found = [mail for mail in self.mails if mail["To"] == address]
            if len(found) >= count:
                return found[count - 1]
            time.sleep(0.02)
        raise AssertionError(f"no mail came to {address}: {[m['Subject'] for m in self.mails]}")


def text_of(mail: EmailMessage) -> str:
    """Return the text part of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def html_of(mail: EmailMessage) -> str:
    """Return the HTML part of a mail."""
    part = mail.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def link_in(mail: EmailMessage) -> str:
    """Return the one link of a mail, the same in both of its parts."""
    found = LINK.search(text_of(mail))
    assert found, text_of(mail)
    assert html_of(mail).count(found[0]) == 1
    return found[0]


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Yield a mailbox that a server on this machine fills, on a thread and a loop of its own."""
    box, listening = Mailbox(), threading.Event()
    ends: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        server = await loop.create_server(
            lambda: SMTP(box, hostname="mail.example", loop=loop), "127.0.0.1", 0
        )
        box.port = server.sockets[0].getsockname()[1]
        ends.append((loop, end))
        listening.set()
        await end.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert listening.wait(10)
    try:
        yield box
    finally:
        loop, end = ends[0]
        loop.call_soon_threadsafe(end.set)
        thread.join()
