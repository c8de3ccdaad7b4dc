"""Loans of votes over the interface."""

from datetime import timedelta

import pytest

from approvals.models import Delegation
from approvals.services.delegations import start_delegation
from audit.clock import db_now
from tests.builders import bearer, make_region, personal_token
from tests.stories import later

pytestmark = pytest.mark.db
LOANS = "/api/v1/delegations"


def manager_of(person):
    """Return a client of this person that may change what is theirs."""
    return bearer(personal_token(person, ["tickets:read", "votes:write", "manage:write"]))


def body(**more):
    end = (db_now() + timedelta(days=7)).isoformat()
    return {"delegate": "ben", "ends_at": end, "reason": "Leave", **more}


def send(person, **more):
    return manager_of(person).post(LOANS, body(**more), format="json")


def lend(lender, delegate, **more):
    given = {"ends_at": db_now() + timedelta(days=7), "by": lender, **more}
    return start_delegation(lender=lender, delegate=delegate, **given)


def test_a_loan_is_made_read_and_ended(cast):
    made = send(cast.ann, roles=["reviewer"])
    assert made.status_code == 201, made.json()
    told = made.json()
    assert (told["state"], told["lender"], told["delegate"]) == ("in_force", "ann", "ben")
    assert (told["roles"], told["reason"], told["ended_at"]) == (["reviewer"], "Leave", None)
    here = f"{LOANS}/{told['id']}"
    for person in (cast.ann, cast.ben, cast.max):
        assert manager_of(person).get(here).json() == told
    assert manager_of(cast.ben).delete(here).status_code == 204
    assert manager_of(cast.ann).delete(here).status_code == 204
    assert manager_of(cast.ann).get(here).json()["state"] == "over"


def test_a_loan_is_nobody_elses_business(cast):
    here = f"{LOANS}/{lend(cast.ann, cast.ben).pk}"
    client = manager_of(cast.cleo)
    assert client.get(here).status_code == 404
    assert client.delete(here).status_code == 404
    assert client.get(LOANS).json()["data"] == []
    assert len(manager_of(cast.ben).get(LOANS).json()["data"]) == 1
    assert len(manager_of(cast.max).get(LOANS).json()["data"]) == 1


def test_a_manager_arranges_it_and_says_why(cast):
    assert send(cast.max, lender="ann", reason="").status_code == 422
    assert send(cast.max, lender=str(cast.ann.pk)).json()["made_by"] == "max"
    assert send(cast.cleo, lender="lena").status_code == 403


@pytest.mark.parametrize(
    "wrong, pointer",
    [
        ({"delegate": "nobody"}, "/delegate"),
        ({"delegate": "key"}, "/delegate"),
        ({"delegate": "ann"}, "/delegate"),
        ({"delegate": 7}, "/delegate"),
        ({"lender": "nobody"}, "/lender"),
        ({"roles": ["nobody"]}, "/roles/0"),
        ({"roles": ["lead"]}, "/roles"),
        ({"roles": []}, "/roles"),
        ({"ends_at": "2001-01-01T00:00:00Z"}, "/ends_at"),
        ({"ends_at": "8000-01-01T00:00:00Z"}, "/ends_at"),
        ({"ends_at": "soon"}, "/ends_at"),
        ({"reason": "x" * 401}, "/reason"),
        ({"limited": True}, "/limited"),
        ({"made_by": "max"}, "/made_by"),
    ],
)
def test_what_no_loan_can_be_is_named(cast, wrong, pointer):
    answer = send(cast.ann, **wrong)
    assert answer.status_code == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]], answer.json()
    assert not Delegation.objects.exists()


def test_a_token_lends_only_with_the_scope_to_manage(cast):
    answer = cast.as_person(cast.ann).post(LOANS, body(), format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


def test_a_machine_lends_nothing(cast):
    answer = cast.as_key().post(LOANS, body(), format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "machine-cannot-vote")


def test_a_delegate_votes_and_the_answer_says_for_whom(cast):
    ticket = cast.open()
    client = cast.as_person(cast.otto)
    here = f"/api/v1/tickets/{ticket.pk}"
    assert client.get(here).status_code == 404
    assert client.post(f"{here}/votes", {"choice": "approve", "version": 1}).status_code == 404
    loan = lend(cast.ann, cast.otto)

    seen = client.get(here).json()["viewer"]
    until = loan.ends_at.isoformat().replace("+00:00", "Z")
    assert seen["acting_for"] == [{"name": "ann", "label": "Ann", "until": until}]
    assert "vote" in seen["can"]
    assert [row["id"] for row in client.get("/api/v1/me/pending").json()["data"]] == [
        str(ticket.pk)
    ]

    given = {"choice": "approve", "version": 1, "on_behalf_of": "ann"}
    voted = client.post(f"{here}/votes", given, format="json")
    assert voted.status_code == 201, voted.json()
    vote = voted.json()["vote"]
    assert (vote["name"], vote["label"], vote["on_behalf_of"]) == ("otto", "Otto for Ann", "ann")
    (person,) = voted.json()["tally"]["people"]
    assert (person["label"], person["on_behalf_of"]) == ("Otto for Ann", "ann")
    assert client.get("/api/v1/me/pending").json()["data"] == []
    again = client.post(f"{here}/votes", given, format="json")
    assert (again.status_code, again.json()["vote"]["id"]) == (200, vote["id"])


def test_whoever_has_their_own_right_acts_for_nobody(cast):
    lend(cast.ann, cast.ben)
    seen = cast.as_person(cast.ben).get(f"/api/v1/tickets/{cast.open().pk}").json()
    assert seen["viewer"]["acting_for"] == []


def test_several_lenders_are_named(cast):
    lend(cast.ann, cast.otto), lend(cast.ben, cast.otto)
    here = f"/api/v1/tickets/{cast.open().pk}/votes"
    answer = cast.as_person(cast.otto).post(here, {"choice": "approve", "version": 1})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "/on_behalf_of"
    assert "ann or ben" in error["message"]


def test_what_is_lent_is_seen_as_long_as_it_is_lent(cast):
    north = make_region("north", cast.ann)
    ticket = cast.open(region=north.slug)
    client = cast.as_person(cast.otto)
    lend(cast.ann, cast.otto, ends_at=db_now() + timedelta(hours=1))
    assert client.get(f"/api/v1/tickets/{ticket.pk}").status_code == 200
    assert len(client.get("/api/v1/tickets").json()["data"]) == 1
    with later(hours=2):
        assert client.get(f"/api/v1/tickets/{ticket.pk}").status_code == 404
        assert client.get("/api/v1/tickets").json()["data"] == []
