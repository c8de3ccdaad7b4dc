"""Every kind of interaction opens over the interface and is answered with a plain form."""

from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from approvals.options import EDIT_PROPOSAL
from approvals.presets import PRESETS
from approvals.services.links import issue_link
from audit.clock import db_now
from reviews import lifecycle
from reviews.models import Ticket
from tests.builders import Cast, make_policy

pytestmark = pytest.mark.db

OFFERED = [{"key": "north", "label": "The north road", "pros": ["short"], "cons": ["steep"]},
           {"key": "south", "label": "The south road", "confidence": 0.4}]  # fmt: skip
OPTIONS_OF_THE_AI = [{"key": offer["key"], "effect": "answer"} for offer in OFFERED]
CASES = [
    (preset, option)
    for preset, question in PRESETS.items()
    for option in (question["options"] or OPTIONS_OF_THE_AI)
]


@dataclass
class Form:
    """One form as a browser has it: what would be sent, and the buttons that send it."""

    values: dict[str, str] = field(default_factory=dict)
    choices: set[str] = field(default_factory=set)
    open_fields: list[dict[str, str | None]] = field(default_factory=list)


class Forms(HTMLParser):
    """The forms of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._select: str | None = None
        self._text: str | None = None
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "form":
            self.found.append(Form())
        if not self.found:
            return
        form = self.found[-1]
        if tag == "select":
            self._select = name
        elif tag == "option" and self._select and "selected" in given:
            form.values[self._select] = given.get("value") or ""
        elif tag == "textarea":
            self._text = name
            form.values[name] = ""
            form.open_fields.append(given)
        elif name == "choice":
            form.choices.add(given.get("value") or "")
        elif tag == "input" and given.get("type") not in ("radio", "checkbox", "submit"):
            form.values[name] = given.get("value") or ""
            form.open_fields.append(given)
        elif tag == "input" and given.get("type") == "checkbox" and "checked" in given:
            form.values[name] = given.get("value") or "on"

    def handle_data(self, data: str) -> None:
        if self._text:
            self.found[-1].values[self._text] += data.lstrip("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._text = None
        elif tag == "select":
            self._select = None

    def offering(self, choice: str) -> Form:
        """Return the form in which this answer can be given."""
        (form,) = [form for form in self.found if choice in form.choices]
        return form


def filled(form: Form, choice: str) -> dict[str, str]:
    """Return what a person sends who writes into each empty text, and halves the miles."""
    sent = dict(form.values)
    for given in form.open_fields:
        name = given.get("name") or ""
        if given.get("type") in (None, "text") and not sent[name]:
            sent[name] = "Written by hand."
        if sent[name] == "40":
            sent[name] = "20"
    return {**sent, "choice": choice, "act": "vote"}


def at_the_desk(ticket: Ticket, cast: Cast, choice: str) -> str:
    client = Client()
    client.force_login(cast.ann, backend="django.contrib.auth.backends.ModelBackend")
    address = f"/admin/reviews/ticket/{ticket.pk}/change/"
    form = Forms(client.get(address).content.decode()).offering(choice)
    return client.post(address, filled(form, choice), follow=True).content.decode()


def behind_a_mailed_link(ticket: Ticket, cast: Cast, choice: str) -> str:
    client = Client()
    link, token = issue_link(decision=ticket.decision, person=cast.ann, now=db_now())
    page = client.get(f"/a/{token}", follow=True).content.decode()
    form = Forms(page).offering(choice)
    answer = client.post(f"/a/d/{link.pk}/", filled(form, choice), follow=True)
    return answer.content.decode()


@pytest.mark.parametrize("answered", [at_the_desk, behind_a_mailed_link], ids=["desk", "mail link"])
@pytest.mark.parametrize(
    ("preset", "option"), CASES, ids=[f"{name}-{option['key']}" for name, option in CASES]
)
def test_every_preset_is_answered_with_a_plain_form(
    cast: Cast,
    settings: Any,
    preset: str,
    option: dict[str, Any],
    answered: Callable[[Ticket, Cast, str], str],
) -> None:
    settings.MAIL_NOTICES = True
    # Some are only for policies that say in so many words that silence may let a thing happen.
    cast.general.question = make_policy("general", PRESETS["review"], silence_may_allow=True)
    cast.general.presets = list(PRESETS)
    cast.general.save()
    opened = cast.as_key().post(
        "/api/v1/tickets",
        {
            "title": "Which road",
            "proposal": {"road": "north", "miles": 40},
            "preset": preset,
            "ai": {"options": OFFERED},
        },
        format="json",
    )
    assert opened.status_code == 201, opened.json()
    ticket = Ticket.objects.get(pk=opened.json()["id"])

    answered(ticket, cast, option["key"])

    ticket = Ticket.objects.select_related("decision").get(pk=ticket.pk)
    votes = ticket.decision.votes.all()
    assert [vote.choice for vote in votes] == [option["key"]]
    asked = ticket.decision.question["stages"][0]
    if option["effect"] == "none" or asked["needs"][0]["count"] > 1:
        assert ticket.status == Ticket.Status.PENDING
    else:
        assert ticket.status == lifecycle.status_for(option["effect"])
        assert ticket.decision.outcome == option["key"]
        assert (option.get("carries") or {}).items() <= (ticket.decision.response or {}).items()
    if option.get("form") == EDIT_PROPOSAL:
        assert ticket.decision.amendments == {"miles": 20}
