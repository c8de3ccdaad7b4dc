"""Keys: shown once, stored as a hash, never a person's vote."""

from datetime import timedelta

import pytest
from django.contrib.auth import authenticate

from approvals.errors import Invalid, OwnWork
from approvals.models import AccessKey, User
from approvals.services import keys
from audit.clock import db_now
from audit.models import AuditEvent
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket
from tests.builders import make_service_key
from tests.stories import later, refused

pytestmark = pytest.mark.db


def test_a_service_key_acts_as_a_machine_of_its_own(story):
    machine = story.key.user

    assert (machine.kind, machine.is_staff, machine.is_superuser) == ("machine", False, False)
    assert not machine.has_usable_password()
    assert not machine.groups.exists()
    assert story.key.owner == story.max
    assert authenticate(username=machine.username, password="") is None


def test_each_service_key_has_another_machine(story):
    other, _ = make_service_key(story.max, name="other")

    assert other.user != story.key.user


def test_a_personal_token_acts_as_its_person(story):
    key, _ = keys.create_key(name="mine", kind="personal", owner=story.ann, now=db_now())

    assert key.user == key.owner == story.ann


def test_only_a_hash_is_stored(story):
    row = AccessKey.objects.values().get(pk=story.key.pk)
    secret = story.token.split("_", 2)[2]

    assert not any(secret in str(value) or story.token in str(value) for value in row.values())
    for event in AuditEvent.objects.all():
        assert secret not in str(event.data)


def test_a_token_is_found_again_and_has_the_promised_form(story):
    assert keys.find_key(story.token) == story.key
    prefix, public, rest = story.token.split("_", 2)
    assert (prefix, public) == ("hitl", story.key.prefix)
    assert len(public) == 8
    assert len(rest) > 40


def mutations(token: str) -> list[str]:
    flipped = [
        token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        for place in range(len(token))
    ]
    cut = [token[:length] for length in (0, 4, 13, len(token) - 1)]
    return [*flipped, *cut, token + "0", token.upper(), f" {token}", f"{token}\n", token * 2]


def test_no_mutation_of_a_token_is_found(story):
    assert [token for token in mutations(story.token) if keys.find_key(token)] == []


@pytest.mark.parametrize(
    "token", ["", "hitl", "hitl__", "hitl_\x00_x", "Bearer", "_" * 80, "é" * 60]
)
def test_what_is_no_token_is_not_found(story, token):
    assert keys.find_key(token) is None


class TestGood:
    def test_a_fresh_key_is_good(self, story):
        assert keys.is_good(story.key, now=db_now())

    def test_a_revoked_key_is_not_and_revoking_twice_is_told_once(self, story):
        for _ in range(2):
            keys.revoke_key(key=story.key, by=story.max, now=db_now())
        story.key.refresh_from_db()

        assert not keys.is_good(story.key, now=db_now())
        told = AuditEvent.objects.filter(stream=f"key:{story.key.pk}").order_by("seq")
        assert [event.type for event in told] == ["key.created", "key.revoked"]

    def test_an_expired_key_is_not(self, story):
        key, _ = keys.create_key(
            name="short", kind="personal", owner=story.ann, now=db_now(),
            expires_at=db_now() + timedelta(hours=1),
        )  # fmt: skip
        assert keys.is_good(key, now=db_now())
        with later(hours=1):
            assert not keys.is_good(key, now=db_now())

    @pytest.mark.parametrize("who", ["owner", "user"])
    def test_a_key_is_only_as_good_as_its_people(self, story, who):
        User.objects.filter(pk=getattr(story.key, who).pk).update(is_active=False)
        key = keys.find_key(story.token)

        assert key is not None
        assert not keys.is_good(key, now=db_now())


class TestScopes:
    @pytest.mark.parametrize("scope", ["votes:write", "manage:write", "everything"])
    def test_a_service_key_cannot_carry_what_takes_a_person(self, story, scope):
        with refused(Invalid, at="/scopes"):
            make_service_key(story.max, scopes=["tickets:write", scope])

    def test_a_machine_owns_no_keys(self, story):
        with refused(Invalid, at="/scopes"):
            make_service_key(story.machine)

    def test_a_personal_token_votes_but_does_not_manage_by_default(self, story):
        key, _ = keys.create_key(name="mine", kind="personal", owner=story.ann, now=db_now())

        assert "votes:write" in key.scopes
        assert "manage:write" not in key.scopes


def test_nobody_makes_a_personal_token_for_somebody_else(story):
    with refused(Invalid, at="/owner"):
        keys.create_key(name="hers", kind="personal", owner=story.ann, by=story.max, now=db_now())


def test_who_made_a_key_for_another_owner_does_not_vote_on_its_tickets(story):
    key, _ = keys.create_key(
        name="agent", kind="service", owner=story.max, by=story.ann, now=db_now()
    )
    ticket = open_ticket(requester=key.user, key=key, request=TicketRequest(title="Pay"))

    with refused(OwnWork):
        story.vote(ticket, story.ann, "approve")
    assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"
