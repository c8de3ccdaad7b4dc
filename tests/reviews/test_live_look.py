"""What the desk's pages ask for when something changed: marks on rows, and who else looks."""

import pytest
from django.core.cache import cache
from django.test import Client

from reviews.admin.live_look import state_of
from tests.builders import make_cast, make_region

pytestmark = pytest.mark.db

ARRIVALS = "/admin/reviews/ticket/arrivals/"
NOT_SHOWN = "Not shown to you any more"


@pytest.fixture
def cast(db):
    cache.clear()
    return make_cast()


def at_desk(person) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def marks(person, *rows: str) -> dict:
    return at_desk(person).get(ARRIVALS, {"rows": ",".join(rows)}).json()["rows"]


def viewing(person, ticket, **sent: str):
    told = {"state": state_of(ticket), **sent}
    return at_desk(person).post(f"/admin/reviews/ticket/{ticket.pk}/viewing", told)


def test_a_row_that_waits_as_it_did_is_not_marked(cast):
    ticket = cast.open()
    told = marks(cast.ann, f"{ticket.pk}:1")[str(ticket.pk)]
    assert (told["gone"], told["holder"], "changed" in told) == (False, None, False)


def test_a_row_that_was_decided_says_how(cast):
    ticket = cast.open()
    cast.vote(ticket, cast.ben, "reject")
    told = marks(cast.ann, f"{ticket.pk}:1")[str(ticket.pk)]
    assert (told["gone"], told["word"]) == (True, "Rejected")


def test_a_row_of_an_earlier_version_is_changed(cast):
    ticket = cast.open()
    assert marks(cast.ann, f"{ticket.pk}:0")[str(ticket.pk)]["word"] == "Changed"


def test_a_foreign_row_is_told_like_one_that_never_was(cast):
    make_region("eu", cast.ben)
    foreign = str(cast.open(region="eu").pk)
    never = "01900000-0000-7000-8000-00000000beef"
    told = marks(cast.ann, f"{foreign}:1", f"{never}:1", "nonsense", "")
    assert told == {foreign: told[never], never: told[never]}
    assert told[never]["word"] == NOT_SHOWN


def test_two_who_look_at_a_ticket_see_each_other_until_one_leaves(cast):
    ticket = cast.open()
    assert viewing(cast.ann, ticket).json() == {"also": "", "changed": ""}
    assert viewing(cast.ben, ticket).json()["also"] == "Also viewing: Ann"
    assert viewing(cast.ann, ticket).json()["also"] == "Also viewing: Ben"
    viewing(cast.ben, ticket, leave="1")
    assert viewing(cast.ann, ticket).json()["also"] == ""


def test_only_who_may_see_a_ticket_looks_at_it_and_only_by_a_post(cast):
    make_region("eu", cast.ben)
    ticket = cast.open(region="eu")
    assert viewing(cast.ann, ticket).status_code == 404
    address = f"/admin/reviews/ticket/{ticket.pk}/viewing"
    assert at_desk(cast.ben).get(address).status_code == 405
    assert viewing(cast.ben, ticket).json()["also"] == ""


def test_what_others_decide_meanwhile_is_a_sentence(cast):
    ticket = cast.open()
    before = state_of(ticket)
    cast.vote(ticket, cast.ben, "approve")
    told = viewing(cast.ann, ticket, state=before).json()
    assert told["changed"] == "Meanwhile this ticket is approved."


def test_a_cache_that_is_away_shows_nobody_and_fails_nobody(cast, settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache",
                                   "LOCATION": "redis://127.0.0.1:1"}}  # fmt: skip
    answer = viewing(cast.ann, cast.open())
    assert (answer.status_code, answer.json()["also"]) == (200, "")
