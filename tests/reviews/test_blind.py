"""What is answered blind: nobody learns what the AI prefers before they have answered."""

import json
import re

import pytest
from django.test import Client

from approvals.models import AccessKey
from approvals.options import read_options
from approvals.presets import PRESETS
from approvals.reading import Reader
from approvals.services.links import issue_link
from audit.clock import db_now
from reviews.display.blind import Blind
from reviews.models import Ticket
from tests.builders import make_checkpoint, make_policy

pytestmark = pytest.mark.db

ROADS = ("north", "south", "east", "west")
AI = {
    "prediction": "take north",
    "confidence": 0.93,
    "reasoning": "North won before.",
    "options": [
        {"key": key, "label": f"The {key} road", "confidence": 0.9 - place / 10,
         "pros": [f"{key} is short"], "cons": [f"{key} is steep"]}
        for place, key in enumerate(ROADS)
    ],
}  # fmt: skip
OPTIONS = read_options(Reader(), [{"key": key, "effect": "answer"} for key in ROADS], "")
TELLING = ("0.90", "0.93", "take north", "North won before.")


@pytest.fixture
def road(cast, settings):
    settings.MAIL_NOTICES = True
    make_checkpoint(
        "roads", question=make_policy("roads", PRESETS["options"]), view={"blind": True}
    )
    body = {"checkpoint": "roads", "title": "Which road?", "proposal": {"miles": 40}, "ai": AI}
    opened = cast.as_key().post("/api/v1/tickets", body)
    assert opened.status_code == 201, opened.json()
    return Ticket.objects.select_related("decision").get(pk=opened.json()["id"])


def at_the_desk(road, person):
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(f"/admin/reviews/ticket/{road.pk}/change/").content.decode()


def by_mail(road, person):
    _, token = issue_link(decision=road.decision, person=person, now=db_now())
    return Client().get(f"/a/{token}", follow=True).content.decode()


def buttons(page):
    return re.findall(r'name="choice" value="(\w+)"', page)


@pytest.mark.parametrize("page", [at_the_desk, by_mail])
def test_a_page_tells_for_and_against_and_not_which_is_preferred(cast, road, page):
    shown = page(road, cast.ann)
    assert "north is short" in shown
    assert "south is steep" in shown
    assert not [word for word in TELLING if word in shown]
    assert sorted(buttons(shown)) == sorted(ROADS)
    assert buttons(page(road, cast.ann)) == buttons(shown)  # it does not jump from look to look


def test_each_viewer_has_an_order_of_their_own(cast, road):
    pages = [at_the_desk(road, who) for who in (cast.ann, cast.ben, cast.cleo)]
    orders = [tuple(buttons(page)) for page in pages]
    offers = [
        tuple(sorted(ROADS, key=lambda road, page=page: page.index(f"{road} is short")))
        for page in pages
    ]
    mixed = {
        tuple(option.key for option in Blind(viewer, "d").options(OPTIONS)) for viewer in range(20)
    }
    assert offers == orders
    assert len(mixed) > 5


def test_the_interface_tells_a_person_no_more(cast, road):
    client = cast.as_person(cast.ann)
    for address in (f"/api/v1/tickets/{road.pk}", "/api/v1/tickets", "/api/v1/me/pending",
                    "/hitl/pending/ann", f"/hitl/tickets/{road.pk}"):  # fmt: skip
        told = client.get(address).content.decode()
        assert "Which road?" in told or "miles" in told
        assert not re.search(r"take north|North won|0\.93|0\.9\b", told), address
    asked = client.get(f"/api/v1/tickets/{road.pk}").json()
    page = at_the_desk(road, cast.ann)
    assert [one["key"] for one in asked["policy"]["options"]] == buttons(page)
    assert [one["key"] for one in asked["ai"]["options"]] == buttons(page)


def test_the_program_that_asked_sees_its_own_words(cast, road):
    told = cast.as_key().get(f"/api/v1/tickets/{road.pk}").json()
    assert told["ai"] == AI
    assert [one["key"] for one in told["policy"]["options"]] == list(ROADS)


def test_who_has_answered_sees_what_the_agent_prefers(cast, road):
    body = {"choice": "south", "version": 1}
    voted = cast.as_person(cast.ann, [AccessKey.Scope.READ, AccessKey.Scope.VOTE]).post(
        f"/api/v1/tickets/{road.pk}/votes", body
    )
    assert voted.status_code == 201, voted.json()
    assert "take north" in at_the_desk(road, cast.ann)
    told = cast.as_person(cast.ann).get(f"/api/v1/tickets/{road.pk}").json()
    assert json.loads(json.dumps(told["ai"])) == AI


def test_a_checkpoint_that_does_not_say_so_shows_everything(cast, road):
    checkpoint = road.checkpoint
    checkpoint.view = {}
    checkpoint.save()
    shown = at_the_desk(road, cast.ann)
    assert all(word in shown for word in TELLING)
    assert buttons(shown) == list(ROADS)
