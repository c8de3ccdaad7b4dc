"""A mail goes out over SMTP, its link is opened with a plain HTTP client, and the answer counts."""

import http.cookiejar
import json
import re
import shutil
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import serving
from tests.browser.calls import Api
from tests.journeys.mailbox import Mailbox, html_of, link_in, mail_server, text_of

pytestmark = [pytest.mark.real, pytest.mark.once]

ANA = "ana@demo.example"


@dataclass
class Office:
    """The running service, its mail server, and a key to open tickets with."""

    served: serving.Served
    box: Mailbox
    api: Api

    def traces_of(self, secret: str) -> list[str]:
        """Return the files in which a text stands: log, database, its journal, anything."""
        files = [path for path in self.served.folder.rglob("*") if path.is_file()]
        return [path.name for path in files if secret.encode() in path.read_bytes()]


@pytest.fixture(scope="module")
def office(migrated_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = shutil.copytree(migrated_folder, tmp_path_factory.mktemp("mail") / "data")
    seeded = serving.manage("seed_demo", folder=folder, MAIL_NOTICES="false")
    assert seeded.returncode == 0, seeded.stderr
    key = json.loads((folder / "demo.json").read_text())["service_key"]
    with mail_server() as box, serving.serving(folder, EMAIL_URL=box.url) as served:
        yield Office(served, box, Api(served.url, key))


class Browser:
    """A browser without JavaScript: it follows redirects and keeps cookies."""

    def __init__(self, office: Office) -> None:
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        self.base, self.address, self.page = office.served.url, "", ""

    def open(self, link: str, **form: str) -> int:
        """Go to a page, or send its form; return the status."""
        # The mail names the service as its people reach it, which here is another port.
        address = self.base + urllib.parse.urlsplit(link).path
        data = None
        if form:
            token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.page)
            assert token
            data = urllib.parse.urlencode({**form, "csrfmiddlewaretoken": token[1]}).encode()
        try:
            answer = self.opener.open(address, data, timeout=10)
        except urllib.error.HTTPError as refused:
            answer = refused
        with answer:
            self.address, self.page = answer.geturl(), answer.read().decode()
            return int(answer.status)


def test_a_mail_is_received_opened_and_decided_and_its_token_leaves_no_trace(
    office: Office,
) -> None:
    ticket = office.api.open("PO 900 EUR with ACME")
    mail = office.box.to(ANA)
    assert re.fullmatch(
        rf"\[Approve by .*\d\d:\d\d\] PO 900 EUR with ACME \({ticket['ref']}\)", mail["Subject"]
    )
    assert mail["Auto-Submitted"] == "auto-generated"
    assert html_of(mail).count("<a ") == 1
    assert "src=" not in html_of(mail)
    link = link_in(mail)
    browser = Browser(office)
    assert browser.open(link) == 200
    assert link.rpartition("/")[2] not in browser.address
    assert "ACME" in browser.page
    assert browser.open(browser.address, act="vote", choice="approve", reason="") == 200
    assert "By you" in browser.page
    answer = office.api.read(ticket)
    assert (answer["status"], answer["allowed"]) == ("approved", True)
    assert office.traces_of(link.rpartition("/")[2]) == []
    # The same search finds what does stand there.
    assert "countersign.sqlite3" in " ".join(office.traces_of("PO 900 EUR with ACME"))


def test_a_server_that_is_busy_gets_the_mail_a_little_later(office: Office) -> None:
    before = len([mail for mail in office.box.mails if mail["To"] == ANA])
    office.box.refuse = 3
    ticket = office.api.open("Pay the florist")
    mail = office.box.to(ANA, count=before + 1, within=30)
    assert ticket["ref"] in mail["Subject"]
    browser = Browser(office)
    assert browser.open(link_in(mail)) == 200
    form = {"act": "vote", "choice": "reject", "reason": "No flowers."}
    assert browser.open(browser.address, **form) == 200
    assert office.api.read(ticket)["comments"] == "No flowers."


def test_the_text_part_alone_is_enough_to_decide_by(office: Office) -> None:
    before = len([mail for mail in office.box.mails if mail["To"] == ANA])
    more: dict[str, Any] = {"summary": "Line one.\nSubject: forged\n\nReview and decide: here"}
    office.api.open("Pay\tthe baker", **more)
    text = text_of(office.box.to(ANA, count=before + 1))
    assert "Payee: ACME" in text
    assert "Total: 900" in text
    assert "In the requester's own words: Line one. Subject: forged Review and decide: here" in text
    assert text.count("\nReview and decide:\n") == 1
