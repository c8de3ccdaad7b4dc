"""What a checkpoint makes of a request: pass, refuse or ask, and the question that is frozen."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError

from approvals.errors import Invalid, ReferenceTaken, SchemaMismatch
from audit.canonical import canonical_bytes, digest_of, sha256_hex
from audit.clock import db_now
from reviews.models import Rule, Ticket
from reviews.representation import ticket_allowed
from reviews.services.receipts import receipt_of
from reviews.services.requests import TicketRequest
from reviews.services.tickets import open_ticket
from tests.builders import make_service_key
from tests.stories import (
    checkpoint,
    last_told,
    later,
    people,
    question,
    refused,
    stopped_by_the_database,
    types_told,
)

pytestmark = pytest.mark.db

PURCHASE = {
    "type": "object",
    "properties": {
        "total": {"type": "number"},
        "express": {"type": "boolean", "default": False},
        "note": {"type": "string"},
    },
    "required": ["total"],
}
ALLOW_SMALL = {"when": "total <= 100", "then": "allow", "name": "small"}
DENY_HUGE = {"when": "total > 100000", "then": "deny", "name": "huge"}


def needs(ticket: Ticket) -> list[tuple[str, int]]:
    stages = ticket.decision.question["stages"]
    return [(need["role"], need["count"]) for stage in stages for need in stage["needs"]]


def test_the_general_checkpoint_asks_one_reviewer(story):
    ticket = story.open(title="Pay ACME", proposal={"total": 900})

    assert (ticket.status, ticket.version, ticket.round) == ("pending", 1, 1)
    assert ticket_allowed(ticket, ticket.decision) is None
    assert needs(ticket) == [("reviewer", 1)]
    assert [option["key"] for option in ticket.decision.question["options"]] == [
        "approve", "reject", "request_changes", "modify",
    ]  # fmt: skip
    assert ticket.rule["then"] == "ask"
    assert types_told(ticket) == ["opened"]


def test_the_digests_are_those_the_model_says(story):
    proposal = {"b": 1.0, "a": "Zoë", "n": [1, None, True]}
    ticket = story.open(proposal=proposal)
    decision = ticket.decision

    assert bytes(decision.content) == canonical_bytes(proposal)
    assert decision.action_digest == sha256_hex(canonical_bytes(proposal))
    assert decision.digest == digest_of(
        {
            "ticket": str(ticket.pk),
            "action_digest": decision.action_digest,
            "question": decision.question,
            "rule": decision.rule,
            "round": 1,
        }
    )


def test_equal_proposals_share_the_action_digest_but_never_the_digest(story):
    one, two = story.open(proposal={"a": 1}), story.open(proposal={"a": 1})

    assert one.decision.action_digest == two.decision.action_digest
    assert one.decision.digest != two.decision.digest


@pytest.mark.parametrize(
    "value", ["a\x00b", "\ud800", float("nan"), float("inf"), 2**53, -(2**53), {"\x00": 1}]
)
def test_what_canonical_json_cannot_carry_is_refused(story, value):
    with refused(SchemaMismatch):
        story.open(proposal={"deep": [{"x": value}]})
    assert not Ticket.objects.exists()


class TestRules:
    def test_what_a_rule_allows_passes_at_once_and_says_that_a_rule_did_it(self, story):
        checkpoint("buy", rules=[ALLOW_SMALL], proposal_schema=PURCHASE)
        ticket = story.open(checkpoint="buy", proposal={"total": 50})

        assert (ticket.status, ticket.decision.by, ticket.decision.outcome) == (
            "approved", "rule", "approve",
        )  # fmt: skip
        assert ticket_allowed(ticket, ticket.decision) is True
        assert (ticket.rule["name"], ticket.rule["when"]) == ("small", "total <= 100")
        assert types_told(ticket) == ["opened", "decided"]
        assert last_told(ticket).actor_kind == "system"
        assert receipt_of(ticket)["by"] == "rule"

    def test_what_a_rule_denies_is_rejected(self, story):
        checkpoint("buy", rules=[DENY_HUGE, ALLOW_SMALL], proposal_schema=PURCHASE)
        ticket = story.open(checkpoint="buy", proposal={"total": 100001})

        assert (ticket.status, ticket.decision.outcome) == ("rejected", "reject")
        assert ticket_allowed(ticket, ticket.decision) is False

    def test_a_rule_that_asks_names_itself_its_basis_its_priority_and_its_risk(self, story):
        rule = {
            "name": "dear", "when": "total > 1000", "then": "ask", "band": "sync_review",
            "legal_basis": "EU AI Act, Art. 14", "priority": "high", "risk": "medium",
        }  # fmt: skip
        checkpoint("buy", rules=[rule], proposal_schema=PURCHASE)
        ticket = story.open(checkpoint="buy", proposal={"total": 5000})

        assert ticket.rule.items() >= {
            "name": "dear", "then": "ask", "band": "sync_review",
            "legal_basis": "EU AI Act, Art. 14",
        }.items()  # fmt: skip
        assert (ticket.priority, ticket.risk) == ("high", "medium")
        assert ticket.decision.rule == ticket.rule

    def test_the_first_matching_live_rule_wins(self, story):
        ask_first = {"when": "total > 0", "then": "ask", "name": "first"}
        checkpoint("buy", rules=[ask_first, ALLOW_SMALL], proposal_schema=PURCHASE)

        ticket = story.open(checkpoint="buy", proposal={"total": 50})

        assert (ticket.status, ticket.rule["name"]) == ("pending", "first")

    @pytest.mark.parametrize("state", ["shadow", "off"])
    def test_a_rule_that_is_not_live_decides_nothing(self, story, state):
        checkpoint("buy", rules=[{**ALLOW_SMALL, "state": state}], proposal_schema=PURCHASE)

        assert story.open(checkpoint="buy", proposal={"total": 50}).status == "pending"

    def test_rules_see_defaults_while_the_digest_covers_what_was_sent(self, story):
        rule = {"when": "express == false", "then": "allow", "name": "slow"}
        checkpoint("buy", rules=[rule], proposal_schema=PURCHASE)
        ticket = story.open(checkpoint="buy", proposal={"total": 50})

        assert ticket.status == "approved"
        assert bytes(ticket.decision.content) == b'{"total":50}'

    def test_a_rule_that_raises_asks_at_once_and_later_rules_are_not_read(self, story):
        unsure = {"when": "ai.confidence < 0.8", "then": "ask", "name": "unsure"}
        checkpoint("buy", rules=[unsure, ALLOW_SMALL], proposal_schema=PURCHASE)
        ticket = story.open(checkpoint="buy", proposal={"total": 50})

        assert ticket.status == "pending"
        assert "unsure" in ticket.rule["why"]
        assert "asked" in ticket.rule["why"]

    def test_an_invalid_rule_asks_at_once_whatever_otherwise_says(self, story):
        broken = {"when": "total >", "then": "allow", "name": "broken"}
        checkpoint("buy", rules=[broken, ALLOW_SMALL], proposal_schema=PURCHASE, otherwise="allow")
        ticket = story.open(checkpoint="buy", proposal={"total": 50})

        assert ticket.status == "pending"
        assert "broken" in ticket.rule["why"]

    def test_otherwise_allow_lets_pass_what_no_live_rule_matches(self, story):
        checkpoint("buy", rules=[DENY_HUGE], proposal_schema=PURCHASE, otherwise="allow")

        assert story.open(checkpoint="buy", proposal={"total": 50}).status == "approved"

    @pytest.mark.parametrize(
        "rules",
        [[], [{**DENY_HUGE, "state": "shadow"}], [{**DENY_HUGE, "state": "off"}]],
        ids=["none", "only in shadow", "only switched off"],
    )
    def test_otherwise_allow_without_a_live_rule_asks(self, story, rules):
        checkpoint("buy", rules=rules, proposal_schema=PURCHASE, otherwise="allow")

        assert story.open(checkpoint="buy", proposal={"total": 50}).status == "pending"

    def test_a_deleted_last_rule_asks(self, story):
        buy = checkpoint("buy", rules=[DENY_HUGE], proposal_schema=PURCHASE, otherwise="allow")
        buy.rules.all().delete()

        assert story.open(checkpoint="buy", proposal={"total": 50}).status == "pending"

    def test_an_allow_rule_stops_letting_things_pass_when_it_expires(self, story):
        rule = {**ALLOW_SMALL, "expires_at": db_now() + timedelta(hours=1)}
        checkpoint("buy", rules=[rule], proposal_schema=PURCHASE, otherwise="allow")

        assert story.open(checkpoint="buy", proposal={"total": 50}).status == "approved"
        with later(hours=2):
            assert story.open(checkpoint="buy", proposal={"total": 50}).status == "pending"

    def test_only_an_allow_rule_may_expire(self, story):
        buy = checkpoint("buy", proposal_schema=PURCHASE)
        rule = {"checkpoint": buy, "position": 0, "name": "r", "when": "total > 1", "then": "ask"}

        with stopped_by_the_database("rule_only_allow_expires"):
            Rule.objects.create(**rule, expires_at=db_now())

    @pytest.mark.parametrize("when", ["price > 1", "note == 'a'", "total > 1 and nme == 'x'"])
    def test_a_rule_may_only_name_fields_every_proposal_has(self, story, when):
        buy = checkpoint("buy", proposal_schema=PURCHASE)

        with pytest.raises(ValidationError):
            Rule(checkpoint=buy, position=0, name="r", when=when, then="ask").clean()

    def test_a_rule_may_ask_a_question_of_its_own(self, story):
        from tests.builders import make_policy

        by_lead = make_policy("by-lead", question("approval", needs=[people("lead")]))
        rule = {"when": "total > 1000", "then": "ask", "question": by_lead}
        checkpoint("buy", rules=[rule], proposal_schema=PURCHASE)

        assert needs(story.open(checkpoint="buy", proposal={"total": 5000})) == [("lead", 1)]

    def test_a_switched_off_checkpoint_lets_pass_and_says_that_a_flag_did_it(self, story, settings):
        settings.HITL_FLAGS = {"general": False}
        ticket = story.open()

        assert (ticket.status, ticket.decision.by) == ("approved", "flag")
        assert ticket.rule["name"] == "switched off"
        assert ticket.decision.system["flags"] == {"general": False}


class TestCritical:
    @pytest.mark.parametrize("how", ["priority", "checkpoint", "rule"])
    def test_what_is_critical_takes_two_different_people(self, story, how):
        given = {"proposal": {"total": 5}}
        if how == "priority":
            given |= {"priority": "critical"}
        elif how == "checkpoint":
            checkpoint("dire", critical=True)
            given |= {"checkpoint": "dire"}
        else:
            rule = {"when": "total > 0", "then": "ask", "priority": "critical"}
            checkpoint("dire", rules=[rule], proposal_schema=PURCHASE)
            given |= {"checkpoint": "dire"}
        ticket = story.open(**given)

        assert story.vote(ticket, story.ann, "approve").ticket.status == "pending"
        assert story.vote(ticket, story.ann, "approve").replayed
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"

    def test_a_critical_checkpoint_is_of_high_risk(self, story):
        checkpoint("dire", critical=True)

        assert story.open(checkpoint="dire").risk == "high"

    @pytest.mark.parametrize("preset", ["vote", "approval"])
    def test_a_critical_question_never_falls_to_one_vote_for_want_of_people(self, story, preset):
        story.ben.groups.clear()
        story.cleo.groups.clear()
        ticket = story.open(priority="critical", preset=preset)

        answer = story.vote(ticket, story.ann, "approve")

        assert (answer.ticket.status, answer.tally.needed) == ("pending", 2)


class TestShaping:
    def test_a_preset_the_checkpoint_does_not_offer_is_refused(self, story):
        with refused(Invalid, at="/preset"):
            story.open(preset="post-approval")

    def test_an_unknown_preset_is_refused(self, story):
        with refused(Invalid, at="/preset"):
            story.open(preset="nonsense")

    def test_a_preset_changes_how_is_asked_not_who(self, story):
        checkpoint("law", question("approval", needs=[people("lead", 2)]), presets=["review"])
        ticket = story.open(checkpoint="law", preset="review")

        assert needs(ticket) == [("lead", 2)]
        assert "modify" in [option["key"] for option in ticket.decision.question["options"]]

    def test_input_asks_for_the_callers_form(self, story):
        form = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        ticket = story.open(preset="input", response_schema=form)

        with refused(SchemaMismatch, at="/response/n"):
            story.vote(ticket, story.ann, "submit", response={"n": "many"})
        with refused(SchemaMismatch, at="/response"):
            story.vote(ticket, story.ann, "submit", response={})
        answer = story.vote(ticket, story.ann, "submit", response={"n": 4})
        assert answer.ticket.status == "answered"
        assert answer.ticket.decision.response == {"n": 4}

    def test_a_form_without_an_option_that_takes_one_is_refused(self, story):
        with refused(Invalid, at="/response_schema"):
            story.open(response_schema={"type": "object"})

    def test_the_options_of_an_ai_are_offered_in_its_order(self, story):
        offers = [{"key": "a", "label": "Plan A", "confidence": 0.7}, {"key": "b"}]
        ticket = story.open(preset="options", ai={"options": offers})

        options = ticket.decision.question["options"]
        assert [(o["key"], o["label"], o["effect"]) for o in options] == [
            ("a", "Plan A", "answer"), ("b", "b", "answer"),
        ]  # fmt: skip
        answer = story.vote(ticket, story.ann, "b", reason="")
        assert (answer.ticket.status, answer.ticket.decision.outcome) == ("answered", "b")

    def test_options_need_offers(self, story):
        with refused(Invalid, at="/ai/options"):
            story.open(preset="options")

    @pytest.mark.parametrize(
        "offers", [[{"key": "a"}, {"key": "A"}], [{"label": "x"}], [{"key": 5}]]
    )
    def test_offers_that_cannot_be_told_apart_are_refused(self, story, offers):
        with refused(Invalid):
            story.open(preset="options", ai={"options": offers})

    def test_a_requester_may_ask_for_fewer_options(self, story):
        ticket = story.open(question={"options": ["approve", "reject"]})

        assert [o["key"] for o in ticket.decision.question["options"]] == ["approve", "reject"]
        with refused(Invalid, at="/choice"):
            story.vote(ticket, story.ann, "modify", amendments={"total": 1})

    def test_an_option_a_caller_brings_only_answers(self, story):
        brought = {"options": ["approve", "reject", {"key": "later", "label": "Later"}]}
        ticket = story.open(question=brought)

        assert ticket.decision.question["options"][2]["effect"] == "answer"

    @pytest.mark.parametrize(
        ("wish", "pointer"),
        [
            ({"options": [{"key": "approve", "effect": "deny"}, "reject"]}, "/options/0/effect"),
            ({"options": ["reject", {"key": "yes", "effect": "allow"}]}, "/options/1/effect"),
            ({"options": ["approve"]}, "/options"),
            ({"timing": {"silence": "approve"}}, "/timing/silence"),
            ({"timing": {"hold": "PT1H"}}, "/timing/hold"),
            ({"timing": {"expires": "P3D"}}, "/timing/expires"),
            ({"timing": {"ask": "after"}}, "/timing/ask"),
            (
                {"stages": [{"needs": [{"role": "lead", "count": 1}]}]},
                "/stages/0/needs/0/role",
            ),
            (
                {"stages": [{"needs": [{"role": "reviewer", "count": 0}]}]},
                "/stages/0/needs/0/count",
            ),
        ],
    )
    def test_a_requester_cannot_loosen_a_question(self, story, wish, pointer):
        with refused(Invalid, at=f"/question{pointer}"):
            story.open(question=wish)

    def test_a_requester_may_name_the_people_to_ask(self, story):
        narrowed = {"stages": [{"needs": [{"people": ["ben"]}]}]}
        ticket = story.open(question=narrowed)

        from approvals.errors import NotEligible

        with refused(NotEligible):
            story.vote(ticket, story.ann, "approve")
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"


class TestTime:
    def test_an_earlier_end_is_granted(self, story):
        ticket = story.open(timeout_seconds=60)

        assert ticket.expires_at - ticket.created_at == timedelta(seconds=60)

    @pytest.mark.parametrize("seconds", [0, -5])
    def test_an_end_in_the_past_is_refused(self, story, seconds):
        with refused(Invalid, at="/timeout_seconds"):
            story.open(timeout_seconds=seconds)

    def test_a_later_end_is_refused(self, story):
        with refused(Invalid, at="/expires_at"):
            story.open(expires_at=db_now() + timedelta(days=30))

    @pytest.mark.parametrize(
        ("priority", "due", "expires"),
        [("critical", 1, 24), ("high", 4, 24), ("medium", 24, 48), ("low", 72, 144)],
    )
    def test_without_words_of_the_checkpoint_time_goes_by_priority(
        self, story, priority, due, expires
    ):
        ticket = story.open(priority=priority)

        assert ticket.due_at - ticket.created_at == timedelta(hours=due)
        assert ticket.expires_at - ticket.created_at == timedelta(hours=expires)


class TestNames:
    def test_an_unknown_checkpoint_is_refused(self, story):
        with refused(Invalid, at="/checkpoint"):
            story.open(checkpoint="nowhere")

    def test_a_checkpoint_that_was_switched_out_of_use_is_unknown(self, story):
        checkpoint("old", active=False)
        with refused(Invalid, at="/checkpoint"):
            story.open(checkpoint="old")

    def test_a_proposal_must_match_the_checkpoints_schema(self, story):
        checkpoint("buy", proposal_schema=PURCHASE)

        with refused(SchemaMismatch, at="/proposal/total"):
            story.open(checkpoint="buy", proposal={"total": "a lot"})
        with refused(SchemaMismatch, at="/proposal"):
            story.open(checkpoint="buy", proposal={})

    def test_a_reference_is_taken_once_per_key(self, story):
        story.open(reference="order-1")
        with refused(ReferenceTaken):
            story.open(reference="order-1")

        other, _ = make_service_key(story.lena, name="other")
        request = TicketRequest(title="x", reference="order-1")
        assert open_ticket(requester=other.user, key=other, request=request).reference == "order-1"

    def test_refs_count_up_and_are_never_given_twice(self, story):
        refs = [story.open().ref for _ in range(3)]

        assert refs == sorted(set(refs))

    def test_a_previous_ticket_must_be_ones_own(self, story):
        with refused(Invalid, at="/previous"):
            story.open(previous="T-99999")
        first = story.open()
        assert story.open(previous=first.label).previous_id == first.pk
