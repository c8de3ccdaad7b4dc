"""What could decide wrongly: one person counted twice, too few asked, a no that allows."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db.models.signals import pre_save

from approvals.errors import AlreadyVoted, Busy, Invalid, NotVisible, OwnWork, WrongState
from approvals.models import Delegation, RoleProfile, Vote
from approvals.services.keys import renew_key
from approvals.services.links import issue_link, use_link
from audit.clock import db_now
from audit.ids import new_id
from reviews.services.lookup import find_ticket
from reviews.services.receipts import consume_receipt
from reviews.services.requests import TicketRequest
from reviews.services.second_looks import request_review
from reviews.services.sweeps import conclude_tickets
from reviews.services.tickets import open_ticket, resubmit_ticket
from tests.builders import make_person, make_region, make_service_key
from tests.stories import (
    checkpoint,
    later,
    people,
    question,
    refused,
    run_sql,
    stopped_by_the_database,
    stored,
)

pytestmark = pytest.mark.db


class TestTwoAccountsOfOnePerson:
    @pytest.fixture
    def again(self, cast):
        """Ann's second account: the same mail address in another spelling."""
        return make_person("ann2", email="Ann+desk@example.org", roles=[cast.roles["reviewer"]])

    @pytest.fixture
    def ticket(self, cast, again):
        checkpoint("pair", question(needs=[people("reviewer", 2)]))
        return cast.open(checkpoint="pair")

    def test_are_one_vote(self, cast, again, ticket):
        cast.vote(ticket, cast.ann, "approve")
        with refused(AlreadyVoted):
            cast.vote(ticket, again, "approve")
        cast.vote(ticket, cast.ben, "approve")
        ticket.refresh_from_db()
        assert ticket.status == "approved"

    def test_cast_before_they_were_known_as_one_count_once(self, cast, again):
        again.email = "somebody@example.org"
        again.save()
        checkpoint("three", question(needs=[people("reviewer", 3)]))
        ticket = cast.open(checkpoint="three")
        cast.vote(ticket, cast.ann, "approve")
        cast.vote(ticket, again, "approve")
        again.email = "ann@example.org"
        again.save()
        answer = cast.vote(ticket, cast.ben, "approve")
        assert (answer.ticket.status, answer.tally.approvals) == ("pending", 2)
        assert answer.tally.eligible_left == 1

    def test_are_one_of_all_who_must_agree(self, cast, again):
        checkpoint("all", question(needs=[people("reviewer", "all")]))
        ticket = cast.open(checkpoint="all")
        assert ticket.decision.question["stages"][0]["needs"][0]["count"] == 3

    def test_are_one_vote_for_the_database_as_well(self, cast, again, ticket):
        cast.vote(ticket, cast.ann, "approve")
        (vote,) = Vote.objects.filter(decision=ticket.decision)
        vote.pk, vote.voter, vote.principal = new_id(), again, again
        with stopped_by_the_database("two accounts of one person are one vote"):
            Vote.objects.bulk_create([vote])


class TestNotYetInTheLastRound:
    def second_round(self, cast, asked):
        checkpoint("twice", {**asked, "repeat": {"rounds": 2, "steps": []}})
        ticket = cast.open(checkpoint="twice")
        return resubmit_ticket(
            ticket_id=ticket.pk, requester=cast.machine, proposal={"payee": "ACME", "total": 1}
        )

    def test_never_allows_what_others_would_approve(self, cast):
        ticket = self.second_round(cast, question())
        said = {"feedback": "Not like this."}
        ended = cast.vote(ticket, cast.ann, "request_changes", response=said).ticket
        assert (ended.status, ended.decision.outcome) == ("rejected", "request_changes")
        assert ended.decision.response["max_iterations_reached"] is True

    def test_is_no_answer_when_it_is_silence(self, cast):
        ticket = self.second_round(cast, question("refinement", silence="continue"))
        with later(hours=50):
            conclude_tickets([ticket.pk])
        ticket.refresh_from_db()
        assert ticket.status == "needs_changes"


class TestWhatARequesterAsks:
    @pytest.fixture
    def most(self, cast):
        return checkpoint("most", question(needs=[people("reviewer", "majority")]))

    @pytest.mark.parametrize("share", [{}, {"approval_type": "majority"}, {"approval_type": "all"}])
    def test_a_share_of_the_people_named_is_not_one_of_those_asked(self, cast, most, share):
        with refused(Invalid, at="/interaction/stakeholders"):
            cast.open(checkpoint="most", interaction={"stakeholders": ["ann"], **share})

    def test_nor_where_the_question_itself_names_them(self, cast, most):
        named = {"role": "reviewer", "count": "majority", "people": ["ann"]}
        with refused(Invalid, at="/question/stages"):
            cast.open(checkpoint="most", question={"stages": [{"needs": [named]}]})

    def test_as_many_as_the_policy_asks_may_be_named(self, cast, most):
        ticket = cast.open(checkpoint="most", interaction={"stakeholders": ["ann", "ben"]})
        (need,) = ticket.decision.question["stages"][0]["needs"]
        assert (need["count"], need["people"]) == (2, ["ann", "ben"])

    @pytest.mark.parametrize(
        ("brought", "member"),
        [
            ({"key": "no", "label": "Reject"}, "label"),
            ({"key": "no", "label": " ".join("reject")}, None),
            ({"key": "no", "label": "REJECT"}, "label"),
            ({"key": "no", "label": "Ｒｅｊｅｃｔ"}, "label"),
            ({"key": "no", "label": "Rej\u200dect"}, "label"),
            ({"key": "no", "label": "Rej\u0435ct"}, "label"),
            ({"key": "rej\u0435ct", "label": "No"}, "key"),
            ({"key": "no", "label": "Отклонить"}, None),
        ],
    )
    def test_an_answer_that_is_brought_is_taken_for_no_other(self, cast, brought, member):
        asked = {"options": ["approve", "reject", brought]}
        if member is None:
            assert cast.open(question=asked).status == "pending"
        else:
            with refused(Invalid, at=f"/question/options/2/{member}"):
                cast.open(question=asked)

    @pytest.mark.parametrize(
        ("given", "at"),
        [
            ({"timeout_seconds": 1}, "/timeout_seconds"),
            ({"question": {"timing": {"expires": "PT1S"}}}, "/question/timing/expires"),
        ],
    )
    def test_what_is_asked_afterwards_is_not_over_before_anybody_looks(self, cast, given, at):
        checkpoint("acted", question("post-approval"), safeguards={"silence_may_allow": True})
        with refused(Invalid, at=at):
            cast.open(checkpoint="acted", **given)
        whole = cast.open(checkpoint="acted", question={"timing": {"expires": "PT24H"}})
        assert whole.status == "pending"

    def test_a_preset_asks_no_fewer_than_the_policy(self, cast):
        checkpoint("three", question(needs=[people("reviewer", 3)]), presets=["vote"])
        ticket = cast.open(checkpoint="three", preset="vote")
        assert ticket.decision.question["stages"][0]["needs"][0]["count"] == 3


class TestWhatAModifiedProposalBecomes:
    def test_carries_no_more_risk_than_voters_were_asked_to_answer_for(self, cast):
        total = {"type": "object", "properties": {"total": {"type": "number"}}}
        checkpoint(
            "payments",
            rules=[
                {"when": "total > 1000", "then": "ask", "risk": "high"},
                {"when": "total <= 1000", "then": "ask"},
            ],
            proposal_schema={**total, "required": ["total"]},
        )
        ticket = cast.open(checkpoint="payments")
        with refused(Invalid, at="/amendments"):
            cast.vote(ticket, cast.ann, "modify", amendments={"total": 10**6}, confirmed="")
        less = cast.vote(ticket, cast.ann, "modify", amendments={"total": 10}, confirmed="")
        assert less.ticket.status == "approved"

    def test_keeps_every_field_nobody_changed(self, cast):
        ticket = cast.open(proposal={"approver": None, "note": "x", "total": 900})
        changes = {"total": 1, "note": None}
        done = cast.vote(ticket, cast.ann, "modify", amendments=changes).ticket
        assert bytes(done.decision.approved_content) == b'{"approver":null,"total":1}'


class TestWhoseWorkItIs:
    def test_whoever_renewed_a_key_was_shown_it(self, cast):
        renew_key(key=cast.key, by=cast.ann, now=db_now())
        renew_key(key=cast.key, by=cast.max, now=db_now())
        cast.key.refresh_from_db()
        ticket = cast.open()
        with refused(OwnWork):
            cast.vote(ticket, cast.ann, "approve")
        assert cast.vote(ticket, cast.ben, "approve").ticket.status == "approved"

    @pytest.mark.parametrize("called", ["new@example.org", "New+x@Example.org", "new"])
    def test_whom_it_is_for_may_get_an_account_later(self, cast, called):
        ticket = cast.open(on_behalf_of=called)
        new = make_person("new", roles=[cast.roles["reviewer"]])
        with refused(OwnWork):
            cast.vote(ticket, new, "approve")
        assert cast.vote(ticket, cast.ann, "approve").ticket.status == "approved"


def test_what_passed_is_executed_once_however_many_look_at_it(cast):
    total = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    rules = [{"when": "total > 0", "then": "allow"}]
    checkpoint("passing", rules=rules, proposal_schema=total)
    pipeline = {"name": "p", "step": "s", "state": {"at": 1}}
    passed = cast.open(checkpoint="passing", pipeline=pipeline)
    look, _ = request_review(ticket_id=passed.pk, by=cast.max)
    look = cast.vote(look, cast.ann, "approve").ticket
    assert (look.status, look.pipeline) == ("approved", {})

    digest = look.decision.action_digest
    with refused(WrongState):
        consume_receipt(ticket_id=look.pk, key=cast.key, nonce="a" * 8, digest=digest)
    assert "consume" not in cast.as_key().get(f"/api/v1/tickets/{look.pk}").json()["viewer"]["can"]
    consume_receipt(ticket_id=passed.pk, key=cast.key, nonce="b" * 8, digest=digest)


def test_a_look_that_nobody_takes_allows_nothing(cast):
    total = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    checkpoint(
        "quiet",
        question("approval", silence="approve"),
        rules=[{"when": "total > 0", "then": "deny"}],
        proposal_schema=total,
        safeguards={"silence_may_allow": True},
    )
    refused_by_rule = cast.open(checkpoint="quiet")
    assert refused_by_rule.status == "rejected"
    look, _ = request_review(ticket_id=refused_by_rule.pk, by=cast.max)
    with later(days=5):
        conclude_tickets([look.pk])
    look.refresh_from_db()
    assert look.status == "expired"


@pytest.mark.parametrize(("amount", "risk"), [(None, "high"), (5000, "medium"), (5, "low")])
def test_leaving_out_what_a_rule_reads_makes_no_risk_smaller(cast, amount, risk):
    large = {"when": "ticket.amount > 1000", "then": "ask", "risk": "medium"}
    secret = {"when": 'ticket.domain == "secret"', "then": "ask", "risk": "high"}
    checkpoint("spending", question(), rules=[large, secret], risk="low")
    assert cast.open(checkpoint="spending", amount=amount, domain="open").risk == risk


@pytest.mark.parametrize("said", ["approve", "reject"])
def test_silence_allows_nothing_that_somebody_answered_against(cast, said):
    asked = question("approval", needs=[people("reviewer", 2)], silence="approve")
    asked["stages"][0]["rejections"] = 2
    checkpoint("quiet", asked, safeguards={"silence_may_allow": True})
    ticket = cast.vote(cast.open(checkpoint="quiet"), cast.ann, said, reason="So.").ticket
    assert ticket.status == "pending"
    with later(days=5):
        conclude_tickets([ticket.pk])
    ticket.refresh_from_db()
    allowed = ("approved", "approve", "")
    against = ("expired", "", "Somebody answered against it, so silence allows nothing.")
    told = (ticket.status, ticket.decision.outcome, ticket.decision.reason)
    assert told == (allowed if said == "approve" else against)


class TestWhatANameMeans:
    @pytest.fixture
    def other(self, cast):
        """Another program, which names its tickets as it likes."""
        key, _ = make_service_key(cast.otto)

        def opens(reference: str):
            request = TicketRequest(title="Something else", reference=reference)
            return open_ticket(requester=key.user, key=key, request=request)

        return opens

    def test_of_two_tickets_with_one_reference_nobody_votes_on_the_wrong_one(self, cast, other):
        ours, theirs = cast.open(reference="order-1"), other("order-1")
        assert find_ticket("order-1", user=cast.machine) == ours
        assert find_ticket("order-1", user=theirs.requester) == theirs
        vote = {"choice": "approve", "version": 1}
        answer = cast.as_person(cast.ann).post("/api/v1/tickets/order-1/votes", vote)
        assert answer.status_code == 404
        assert "Several" in answer.json()["detail"]

    def test_a_reference_that_looks_like_a_ref_is_no_other_ticket(self, cast, other):
        hidden = cast.open(region=make_region("north", cast.ben).slug)
        other(hidden.label)
        assert find_ticket(hidden.label, user=cast.ben) == hidden
        with refused(NotVisible):
            find_ticket(hidden.label, user=cast.ann)


def test_a_right_that_ends_while_somebody_votes_is_refused_not_an_error(cast):
    dora = make_person("dora")
    now = db_now()
    loan = Delegation.objects.create(
        lender=cast.ann, delegate=dora, starts_at=now, ends_at=now + timedelta(days=1),
        made_by=cast.ann, made_at=now,
    )  # fmt: skip
    ticket = cast.open()

    def ends(**_):
        Delegation.objects.filter(pk=loan.pk).update(ended_at=db_now())

    pre_save.connect(ends, sender=Vote)  # between reading the loan and writing the vote
    try:
        with refused(Busy):
            cast.vote(ticket, dora, "approve")
    finally:
        pre_save.disconnect(ends, sender=Vote)
    assert not Vote.objects.exists()


class TestWhatIsFinal:
    @pytest.mark.parametrize(
        "change",
        [
            "outcome = 'approve', effect = 'allow'",
            "revocable_until = '2999-01-01 00:00:00+00:00'",
            "approved_action_digest = 'x'",
            "response = '{}'",
            """outcome = '', effect = '', "by" = '', settled_at = NULL, final_at = NULL""",
        ],
    )
    def test_is_not_rewritten_even_with_an_event_of_its_own(self, cast, change):
        ticket, other = cast.open(), cast.open()
        cast.vote(ticket, cast.ann, "reject")
        with stopped_by_the_database("a final decision never changes"):
            run_sql(
                f"UPDATE approvals_decision SET {change}, last_event_id = %s WHERE id = %s",
                stored(other.last_event_id),
                stored(ticket.decision_id),
            )

    def test_nor_is_a_round_that_is_over(self, cast):
        ticket = cast.open()
        first = ticket.decision_id
        resubmit_ticket(ticket_id=ticket.pk, requester=cast.machine, proposal={"total": 1})
        with stopped_by_the_database("a final decision never changes"):
            run_sql(
                "UPDATE approvals_decision SET outcome = 'approve', effect = 'allow', "
                "\"by\" = 'votes', settled_at = opened_at, final_at = opened_at, "
                "last_event_id = %s WHERE id = %s",
                stored(cast.open().last_event_id),
                stored(first),
            )


class TestALinkInTheDatabase:
    @pytest.fixture
    def link(self, cast):
        link, _ = issue_link(decision=cast.open().decision, person=cast.ann, now=db_now())
        return link

    def test_once_spent_stays_spent(self, cast, link):
        use_link(link_id=link.pk, now=db_now())
        with stopped_by_the_database("a spent link stays spent"):
            run_sql("UPDATE approvals_decisionlink SET used_at = NULL")

    @pytest.mark.parametrize("change", ["person_id = {ben}", "token_hash = 'x'"])
    def test_is_nobody_else_s(self, cast, link, change):
        with stopped_by_the_database("for one person and one round"):
            run_sql(f"UPDATE approvals_decisionlink SET {change.format(ben=cast.ben.pk)}")


def test_whom_a_decision_appointed_is_nobody_else(cast):
    above = Group.objects.create(name="above")
    RoleProfile.objects.create(role=above, kind=RoleProfile.Kind.REQUESTERS_MANAGER)
    cast.max.manager = cast.lena
    cast.max.save()
    checkpoint("above", question(needs=[people("above")]))
    ticket = cast.open(checkpoint="above")
    assert cast.vote(ticket, cast.lena, "approve").ticket.status == "approved"
    with stopped_by_the_database("appointed never changes"):
        run_sql(f"UPDATE approvals_appointment SET user_id = {cast.ann.pk}")
