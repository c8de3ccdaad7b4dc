"""Whose vote is taken, what it must say, and what it counts for."""

import pytest
from django.contrib.auth.models import Group

from approvals.errors import (
    AlreadyDecided,
    AlreadyVoted,
    Invalid,
    MachineCannotVote,
    NotEligible,
    NotVisible,
    OwnWork,
    ReasonRequired,
    SchemaMismatch,
    TicketChanged,
    VersionRequired,
)
from approvals.models import Vote
from audit.canonical import canonical_bytes, sha256_hex
from audit.context import entering
from audit.ids import new_id
from reviews.models import Comment, Ticket
from reviews.services.assignments import claim_ticket, release_ticket
from reviews.services.requests import TicketRequest
from reviews.services.tickets import cancel_ticket, open_ticket, resubmit_ticket
from reviews.services.votes import cast_vote, withdraw_vote
from tests.builders import make_person
from tests.stories import checkpoint, last_told, later, people, question, refused, types_told

pytestmark = pytest.mark.db

COST = {
    "type": "object",
    "properties": {"total": {"type": "number", "maximum": 1000}, "payee": {"type": "string"}},
    "required": ["total"],
}


def test_one_approval_decides_what_one_reviewer_is_asked(story):
    ticket = story.open()
    with entering(channel="web"):
        answer = story.vote(ticket, story.ann, "approve", reason="Fine by me.")

    assert (answer.ticket.status, answer.replayed) == ("approved", False)
    decision = answer.ticket.decision
    assert (decision.outcome, decision.by, decision.reason) == ("approve", "votes", "Fine by me.")
    assert types_told(ticket) == ["opened", "vote_cast", "decided"]
    assert (last_told(ticket).actor_id, last_told(ticket).channel) == (str(story.ann.pk), "web")
    assert answer.vote.channel == "web"


def test_a_rejection_ends_a_question_of_two_at_once(story):
    checkpoint("dire", question("approval", needs=[people("reviewer", 2)]))
    ticket = story.open(checkpoint="dire")

    story.vote(ticket, story.ann, "approve")
    answer = story.vote(ticket, story.ben, "reject", reason="No.")

    assert (answer.ticket.status, answer.ticket.decision.reason) == ("rejected", "No.")


class TestRefused:
    def test_a_machine_cannot_vote(self, story):
        with refused(MachineCannotVote):
            story.vote(story.open(), story.machine, "approve")
        assert not Vote.objects.exists()

    def test_a_machine_in_the_right_role_cannot_vote(self, story):
        story.machine.groups.add(story.roles["reviewer"])
        with refused(MachineCannotVote):
            story.vote(story.open(), story.machine, "approve")

    @pytest.mark.parametrize("who", ["otto", "lena", "ada"])
    def test_who_is_not_asked_cannot_vote(self, story, who):
        with refused(NotEligible):
            story.vote(story.open(), getattr(story, who), "approve")

    def test_a_superuser_has_no_vote_by_being_one(self, story):
        root = make_person("root", is_superuser=True)
        ticket = story.open()
        with refused(NotEligible):
            story.vote(ticket, root, "approve")

        root.groups.add(story.roles["reviewer"])
        assert story.vote(ticket, root, "approve").ticket.status == "approved"

    def test_somebody_who_left_cannot_vote(self, story):
        story.ann.is_active = False
        story.ann.save()
        with refused(NotEligible):
            story.vote(story.open(), story.ann, "approve")

    def test_a_vote_must_say_which_version_was_seen(self, story):
        with refused(VersionRequired):
            story.vote(story.open(), story.ann, "approve", version=None)

    @pytest.mark.parametrize("version", [0, 2, 99])
    def test_a_vote_on_another_version_is_refused_and_told_the_present_one(self, story, version):
        with refused(TicketChanged, version=1):
            story.vote(story.open(), story.ann, "approve", version=version)

    def test_a_choice_must_be_among_the_options(self, story):
        with refused(Invalid, at="/choice"):
            story.vote(story.open(), story.ann, "maybe")

    @pytest.mark.parametrize("reason", ["", "  \n"])
    def test_a_rejection_needs_a_reason(self, story, reason):
        ticket = story.open()
        with refused(ReasonRequired, at="/reason"):
            cast_vote(
                ticket_id=ticket.pk, voter=story.ann, choice="reject", version=1, reason=reason
            )

    def test_a_ticket_nobody_opened_is_not_there(self, story):
        with refused(NotVisible):
            cast_vote(ticket_id=new_id(), voter=story.ann, choice="approve", version=1)

    @pytest.mark.parametrize("ending", ["approved", "cancelled", "expired", "needs_changes"])
    @pytest.mark.parametrize("choice", ["approve", "reject"])
    def test_a_vote_on_what_is_over_is_answered_with_already_decided(self, story, ending, choice):
        ticket = story.open()
        if ending == "approved":
            story.vote(ticket, story.ann, "approve")
        elif ending == "needs_changes":
            changes = {"feedback": "Cheaper."}
            story.vote(ticket, story.ann, "request_changes", response=changes)
        elif ending == "cancelled":
            cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason="")
        with later(hours=49 if ending == "expired" else 0), refused(AlreadyDecided):
            story.vote(ticket, story.ben, choice)


class TestTwice:
    def test_the_same_vote_again_gets_the_first_answer(self, story):
        ticket = story.open()
        first = story.vote(ticket, story.ann, "approve")
        again = story.vote(ticket, story.ann, "approve", reason="Once more.")

        assert again.replayed
        assert again.vote.pk == first.vote.pk
        assert types_told(ticket) == ["opened", "vote_cast", "decided"]

    def test_another_vote_by_the_same_person_is_refused(self, story):
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ann, "approve")

        with refused(AlreadyVoted):
            story.vote(ticket, story.ann, "reject")

    def test_after_taking_it_back_a_person_may_vote_anew(self, story):
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ann, "approve")
        withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
        answer = story.vote(ticket, story.ann, "reject")

        assert answer.ticket.status == "rejected"
        assert Vote.objects.filter(voter=story.ann).count() == 2

    def test_a_vote_taken_back_counts_no_more(self, story):
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ann, "approve")
        withdraw_vote(ticket_id=ticket.pk, voter=story.ann)

        assert story.vote(ticket, story.ben, "approve").ticket.status == "pending"


class TestOwnWork:
    def test_who_answers_for_the_key_cannot_vote(self, story):
        story.max.groups.add(story.roles["reviewer"])
        with refused(OwnWork):
            story.vote(story.open(), story.max, "approve")

    def test_who_opened_it_cannot_vote(self, story):
        ticket = open_ticket(requester=story.ann, key=None, request=TicketRequest(title="Mine"))
        with refused(OwnWork):
            story.vote(ticket, story.ann, "approve")
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"

    @pytest.mark.parametrize(
        "name",
        [
            "ann", "ANN", " ann ", "ann@example.org", "Ann@Example.ORG", "ann+bot@example.org",
            "Ann Smith <ann@example.org>", "ａｎｎ", "a\u200bnn", "mailto:ann@example.org",
        ],
    )  # fmt: skip
    def test_for_whom_it_is_opened_cannot_vote_however_they_are_spelt(self, story, name):
        ticket = story.open(on_behalf_of=name)
        with refused(OwnWork):
            story.vote(ticket, story.ann, "approve")

    @pytest.mark.parametrize("named", ["ann", "ann@example.org", "ann-private"])
    def test_a_second_account_of_the_same_person_cannot_vote(self, story, named):
        reviewer = [story.roles["reviewer"]]
        second = make_person("ann-private", email="Ann+2@example.org", roles=reviewer)
        ticket = story.open(on_behalf_of=named)

        for account in (story.ann, second):
            with refused(OwnWork):
                story.vote(ticket, account, "approve")

    def test_a_second_account_of_the_keys_owner_cannot_vote(self, story):
        second = make_person("maxi", email="MAX@example.org", roles=[story.roles["reviewer"]])
        with refused(OwnWork):
            story.vote(story.open(), second, "approve")

    def test_who_edited_the_content_cannot_vote_on_it(self, story):
        ticket = story.open()
        # Max, who answered for the key, edits and hands the key on: the edit stays his.
        resubmit_ticket(ticket_id=ticket.pk, requester=story.max, proposal={"a": 2})
        story.key.owner = story.otto
        story.key.save()
        resubmit_ticket(ticket_id=ticket.pk, requester=story.otto, proposal={"a": 3})
        for author in (story.max, story.otto):
            author.groups.add(story.roles["reviewer"])
            with refused(OwnWork):
                story.vote(ticket, author, "approve")
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"

    def test_own_work_stays_own_work_in_later_rounds(self, story):
        ticket = story.open(on_behalf_of="ann")
        resubmit_ticket(ticket_id=ticket.pk, requester=story.machine, proposal={"a": 2})
        with refused(OwnWork):
            story.vote(ticket, story.ann, "approve")

    def test_similar_names_are_other_people(self, story):
        reviewer = [story.roles["reviewer"]]
        anna = make_person("anna", email="an.n@example.org", roles=reviewer)
        ticket = story.open(on_behalf_of="ann")

        assert story.vote(ticket, anna, "approve").ticket.status == "approved"


class TestContent:
    def test_a_form_is_checked_and_its_defaults_are_filled_in(self, story):
        ticket = story.open(preset="fallback")

        with refused(SchemaMismatch, at="/response"):
            story.vote(ticket, story.ann, "submit", response={"confidence": 0.5})
        with refused(SchemaMismatch, at="/response/confidence"):
            bad = {"manual_result": "7", "confidence": 3}
            story.vote(ticket, story.ann, "submit", response=bad)
        answer = story.vote(ticket, story.ann, "submit", response={"manual_result": "7"})
        assert answer.ticket.decision.response == {"manual_result": "7", "confidence": 0.9}

    def test_what_an_option_carries_cannot_be_talked_away(self, story):
        ticket = story.open(preset="acknowledgement")
        answer = story.vote(ticket, story.ann, "acknowledge", response={"acknowledged": False})

        assert answer.ticket.decision.response["acknowledged"] is True

    @pytest.mark.parametrize("response", ["yes", 4, ["a"], {"x": float("nan")}, {"x": "\x00"}])
    def test_a_response_is_an_object_json_can_carry(self, story, response):
        with refused(SchemaMismatch):
            story.vote(story.open(), story.ann, "approve", response=response)

    def test_modifying_approves_the_modified_bytes(self, story):
        ticket = story.open(proposal={"payee": "ACME", "total": 900, "note": "x"})
        answer = story.vote(ticket, story.ann, "modify", amendments={"total": 500, "note": None})

        decision = answer.ticket.decision
        assert answer.ticket.status == "approved"
        assert decision.executed_content == b'{"payee":"ACME","total":500}'
        assert decision.executed_digest == sha256_hex(decision.executed_content)
        assert bytes(decision.content) == canonical_bytes(ticket.proposal)

    def test_what_was_modified_must_match_the_schema_as_well(self, story):
        checkpoint("buy", proposal_schema=COST)
        ticket = story.open(checkpoint="buy", proposal={"total": 5})

        with refused(SchemaMismatch, at="/proposal/total"):
            story.vote(ticket, story.ann, "modify", amendments={"total": 5000})
        with refused(SchemaMismatch):
            story.vote(ticket, story.ann, "modify", amendments={"total": None})
        assert not Vote.objects.exists()

    @pytest.mark.parametrize("amendments", [None, {}, "x", {"total": 900}, {"x": float("inf")}])
    def test_a_modification_must_modify(self, story, amendments):
        with refused(SchemaMismatch):
            story.vote(story.open(), story.ann, "modify", amendments=amendments)

    def test_only_the_option_to_modify_takes_amendments(self, story):
        with refused(Invalid, at="/amendments"):
            story.vote(story.open(), story.ann, "approve", amendments={"total": 1})

    def test_a_modification_a_rule_denies_is_refused(self, story):
        deny = {"when": "total > 100", "then": "deny", "name": "too dear"}
        checkpoint("buy", rules=[deny], proposal_schema=COST)
        ticket = story.open(checkpoint="buy", proposal={"total": 50})

        with refused(Invalid, at="/amendments"):
            story.vote(ticket, story.ann, "modify", amendments={"total": 500})
        assert story.vote(ticket, story.ann, "modify", amendments={"total": 60}).vote

    def test_a_modification_that_others_would_be_asked_about_is_refused(self, story):
        from tests.builders import make_policy

        by_lead = make_policy("by-lead", question("review", needs=[people("lead")]))
        rule = {"when": "total > 100", "then": "ask", "question": by_lead}
        checkpoint("buy", rules=[rule], proposal_schema=COST)
        ticket = story.open(checkpoint="buy", proposal={"total": 50})

        with refused(Invalid, at="/amendments"):
            story.vote(ticket, story.ann, "modify", amendments={"total": 500})

    def test_a_modification_that_makes_it_critical_is_refused(self, story):
        rule = {"when": "total > 100", "then": "ask", "priority": "critical"}
        checkpoint("buy", rules=[rule], proposal_schema=COST)
        ticket = story.open(checkpoint="buy", proposal={"total": 50})

        with refused(Invalid, at="/amendments"):
            story.vote(ticket, story.ann, "modify", amendments={"total": 500})


class TestTally:
    def test_two_modifiers_agree_only_on_the_same_bytes(self, story):
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ann, "modify", amendments={"total": 500})
        differently = story.vote(ticket, story.ben, "modify", amendments={"total": 400})
        assert differently.ticket.status == "pending"

        answer = story.vote(ticket, story.cleo, "modify", amendments={"total": 500})
        assert answer.ticket.status == "approved"
        assert answer.ticket.decision.executed_content == b'{"payee":"ACME","total":500}'

    def test_approving_and_modifying_are_different_outcomes(self, story):
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ann, "approve")

        answer = story.vote(ticket, story.ben, "modify", amendments={"total": 1})
        assert answer.ticket.status == "pending"

    def test_rejections_with_different_reasons_are_one_answer(self, story):
        checkpoint("board", question("vote"))
        ticket = story.open(checkpoint="board")

        story.vote(ticket, story.ann, "reject", reason="Too dear.")
        answer = story.vote(ticket, story.ben, "reject", reason="Too late.")
        assert answer.ticket.status == "rejected"

    def test_a_majority_is_counted_at_opening_without_those_whose_work_it_is(self, story):
        checkpoint("board", question("vote"))
        make_person("dan", roles=[story.roles["reviewer"]])
        of_four = story.open(checkpoint="board")
        of_three = story.open(checkpoint="board", on_behalf_of="ann")

        counts = [
            t.decision.question["stages"][0]["needs"][0]["count"] for t in (of_four, of_three)
        ]
        assert counts == [3, 2]

    def test_a_majority_never_falls_when_people_leave(self, story):
        checkpoint("board", question("vote"))
        ticket = story.open(checkpoint="board")
        for person in (story.ben, story.cleo):
            person.groups.clear()

        answer = story.vote(ticket, story.ann, "approve")
        assert (answer.ticket.status, answer.tally.needed) == ("pending", 2)
        assert answer.tally.can_settle is False

    def test_all_means_everybody_who_may_vote_at_opening(self, story):
        checkpoint("board", question("approval", needs=[people("reviewer", "all")]))
        ticket = story.open(checkpoint="board")
        make_person("dan", roles=[story.roles["reviewer"]])

        for person in (story.ann, story.ben):
            assert story.vote(ticket, person, "approve").ticket.status == "pending"
        assert story.vote(ticket, story.cleo, "approve").ticket.status == "approved"

    def test_an_abstention_is_a_vote_that_counts_for_nothing(self, story):
        checkpoint("board", question("vote", needs=[people("reviewer", 1)]))
        ticket = story.open(checkpoint="board")

        assert story.vote(ticket, story.ann, "abstain").ticket.status == "pending"
        with refused(AlreadyVoted):
            story.vote(ticket, story.ann, "approve")
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"

    def test_finance_votes_only_after_legal(self, story):
        legal, finance = (Group.objects.create(name=name) for name in ("Legal", "Finance"))
        story.ann.groups.add(legal)
        story.ben.groups.add(finance)
        stages = [
            {"name": name, "needs": [people(name)], "rejections": 1, "ladder": []}
            for name in ("Legal", "Finance")
        ]
        checkpoint("contract", question("approval", stages=stages))
        ticket = story.open(checkpoint="contract")

        for choice in ("approve", "reject"):
            with refused(NotEligible):
                story.vote(ticket, story.ben, choice)
        assert story.vote(ticket, story.ann, "approve").ticket.status == "pending"
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"

    def test_who_is_legal_and_finance_still_has_one_vote(self, story):
        legal, finance = (Group.objects.create(name=name) for name in ("Legal", "Finance"))
        story.ann.groups.add(legal, finance)
        story.ben.groups.add(finance)
        checkpoint("contract", question("approval", needs=[people("Legal"), people("Finance")]))
        ticket = story.open(checkpoint="contract")

        assert story.vote(ticket, story.ann, "approve").ticket.status == "pending"
        assert story.vote(ticket, story.ann, "approve").replayed
        assert story.vote(ticket, story.ben, "approve").ticket.status == "approved"

    def test_a_large_amount_needs_one_more_role(self, story):
        stage = {
            "name": "Spend", "needs": [people("reviewer")], "rejections": 1,
            "ladder": [{"above": 10000, "role": "lead"}],
        }  # fmt: skip
        checkpoint("spend", question("approval", stages=[stage]))
        small = story.open(checkpoint="spend", amount=10000)
        large = story.open(checkpoint="spend", amount=10001)

        assert story.vote(small, story.ann, "approve").ticket.status == "approved"
        assert story.vote(large, story.ann, "approve").ticket.status == "pending"
        assert story.vote(large, story.lena, "approve").ticket.status == "approved"


class TestVersion:
    def test_votes_claims_and_comments_never_move_the_version(self, story):
        ticket = story.open(priority="critical")
        claim_ticket(ticket_id=ticket.pk, person=story.cleo)
        Comment.objects.create(ticket=ticket, author=story.cleo, text="Hm.", at=ticket.created_at)
        story.vote(ticket, story.ann, "approve", version=1)
        release_ticket(ticket_id=ticket.pk, person=story.cleo)

        assert story.vote(ticket, story.ben, "approve", version=1).ticket.status == "approved"
        assert Ticket.objects.get(pk=ticket.pk).version == 1

    def test_an_escalation_does_not_move_the_version(self, story):
        checkpoint("slow", question(escalate=[{"after": "PT1H", "role": "lead"}]))
        ticket = story.open(checkpoint="slow")

        with later(hours=2):
            assert story.vote(ticket, story.lena, "approve", version=1).ticket.version == 1

    def test_each_vote_stores_the_version_and_the_digest_it_was_cast_on(self, story):
        ticket = story.open()
        vote = story.vote(ticket, story.ann, "approve").vote

        assert (vote.version, vote.digest) == (1, ticket.decision.digest)
