"""The emergency bypass: always possible for the few, never silent, always looked at."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as live_settings
from django.contrib.auth.models import Permission
from django.core import mail

from approvals.errors import (
    BypassUnreviewed,
    ChannelNotAllowed,
    IdentityNotConfirmed,
    Invalid,
    MachineCannotBypass,
    NotAllowed,
    OwnWork,
    TooManyTries,
)
from approvals.models import Bypass, User
from audit.context import entering
from audit.models import AuditEvent
from reviews.flags import BYPASS_REVIEW
from reviews.models import Delivery, Ticket, WebhookEndpoint
from reviews.services.bypass_reviews import passed_under
from reviews.services.bypasses import end_bypass, people_told, start_bypass, sweep_bypasses
from reviews.services.deliveries import dispatch_due
from reviews.services.requests import TicketRequest
from reviews.services.tickets import cancel_ticket, open_ticket, resubmit_ticket
from tests.builders import PASSWORD, Cast, make_checkpoint, make_person, make_policy
from tests.stories import checkpoint, later, refused, types_told

pytestmark = pytest.mark.db
REASON = "The mail provider is down."


@pytest.fixture
def crew(story: Cast) -> Cast:
    """The cast, in which leads and managers may start a bypass."""
    for codename in ("start_bypass", "view_bypass"):
        right = Permission.objects.get(codename=codename)
        for name in ("lead", "manager"):
            story.roles[name].permissions.add(right)
    return story


def start(by: User, *, channel: str = "web", **more: Any) -> Bypass:
    given = {"password": PASSWORD, "reason": REASON, "duration": "1h", **more}
    with entering(channel=channel):
        return start_bypass(by=by, **given)


def end(bypass: Bypass, by: User | None = None) -> Bypass:
    with entering(channel="web" if by else "system"):
        return end_bypass(bypass_id=bypass.pk, by=by)


def told(bypass: Bypass) -> list[str]:
    events = AuditEvent.objects.filter(stream=f"bypass:{bypass.pk}").order_by("seq")
    return [event.type for event in events]


def review(bypass: Bypass) -> Ticket:
    bypass.refresh_from_db()
    return Ticket.objects.select_related("decision", "queue").get(pk=bypass.review)


class TestWhileActive:
    def test_what_people_would_be_asked_passes_and_says_why(self, crew):
        bypass = start(crew.lena)
        ticket = crew.open()
        decision = ticket.decision
        assert (ticket.status, decision.by, decision.outcome) == ("approved", "bypass", "approve")
        assert "Bypass by Lena" in ticket.rule["why"]
        assert REASON in ticket.rule["why"]
        assert decision.system["bypass"] == str(bypass.pk)
        assert types_told(ticket) == ["opened", "bypass.used", "decided"]
        assert list(passed_under(bypass)) == [ticket]

    def test_before_and_after_it_people_are_asked(self, crew):
        before = crew.open()
        bypass = start(crew.lena)
        before.refresh_from_db()
        assert before.status == "pending"
        end(bypass, crew.lena)
        after = crew.open()
        assert (after.status, after.decision.system["bypass"]) == ("pending", None)

    def test_it_is_over_at_its_end_although_no_sweep_came(self, crew):
        start(crew.lena, duration="15m")
        with later(minutes=14, seconds=58):
            assert crew.open().status == "approved"
        with later(minutes=15):
            assert crew.open().status == "pending"

    def test_what_a_rule_refuses_stays_refused(self, crew):
        rules = [{"when": "total > 500", "then": "deny"}, {"when": "total > 0"}]
        schema = {"type": "object", "properties": {"total": {"type": "number"}},
                  "required": ["total"]}  # fmt: skip
        checkpoint("strict", rules=rules, proposal_schema=schema)
        start(crew.lena)
        assert crew.open(checkpoint="strict").status == "rejected"
        assert crew.open(checkpoint="strict", proposal={"total": 5}).status == "approved"

    def test_what_waits_already_stays_with_people_until_it_is_sent_again(self, crew):
        ticket = crew.open()
        start(crew.lena)
        ticket = resubmit_ticket(
            ticket_id=ticket.pk, requester=crew.machine, proposal={"payee": "ACME", "total": 1}
        )
        assert (ticket.status, ticket.round, ticket.decision.by) == ("approved", 2, "bypass")
        assert types_told(ticket)[-3:] == ["resubmitted", "bypass.used", "decided"]

    def test_only_its_scope_passes(self, crew):
        checkpoint("data-purchase")
        start(crew.lena, checkpoints=["data-purchase"])
        assert crew.open(checkpoint="data-purchase").status == "approved"
        assert crew.open().status == "pending"

    def test_another_checkpoint_that_asks_the_same_question_is_not_in_its_scope(self, crew):
        shared = checkpoint("data-purchase").question
        make_checkpoint("payments", question=shared)
        start(crew.lena, checkpoints=["data-purchase"])
        assert crew.open(checkpoint="data-purchase").status == "approved"
        assert crew.open(checkpoint="payments").status == "pending"

    def test_what_a_rule_asks_elsewhere_is_in_its_scope(self, crew):
        rule = {"when": "ticket.priority == 'high'", "then": "ask", "question": make_policy("two")}
        checkpoint("data-purchase", rules=[rule])
        start(crew.lena, checkpoints=["data-purchase"])
        assert crew.open(checkpoint="data-purchase", priority="high").status == "approved"

    def test_opening_costs_no_query_more_while_there_is_none(self, crew):
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as seen:
            crew.open()
        assert [q for q in seen.captured_queries if "FROM approvals_bypass" in q["sql"]] == []

    def test_the_receipt_binds_what_passed_like_any_decision(self, crew):
        start(crew.lena)
        decision = crew.open().decision
        assert decision.final_at is not None
        assert len(decision.digest) == len(decision.action_digest) == 64


class TestWhoMayStartOne:
    def test_without_the_right_nobody_does(self, crew):
        with refused(NotAllowed):
            start(crew.ann)

    def test_a_machine_never_does(self, crew):
        with refused(MachineCannotBypass):
            start(crew.machine, channel="api")

    @pytest.mark.parametrize("channel", ["mail", "chat", "system"])
    def test_not_through_mail_chat_or_by_itself(self, crew, channel):
        with refused(ChannelNotAllowed):
            start(crew.lena, channel=channel)

    def test_the_password_is_asked_for_each_time(self, crew):
        with refused(IdentityNotConfirmed, at="/password"):
            start(crew.lena, password="")
        with refused(IdentityNotConfirmed):
            start(crew.lena, password="not it")
        assert not Bypass.objects.exists()

    def test_after_five_wrong_passwords_the_right_one_waits(self, crew):
        for _ in range(5):
            with pytest.raises(IdentityNotConfirmed):
                start(crew.lena, password="not it")
        with refused(TooManyTries):
            start(crew.lena)

    @pytest.mark.parametrize(
        ("wrong", "pointer"),
        [
            ({"reason": "too short"}, "/reason"),
            ({"reason": "x" * 401}, "/reason"),
            ({"duration": "5h"}, "/duration"),
            ({"duration": "PT4H1S"}, "/duration"),
            ({"duration": "30s"}, "/duration"),
            ({"duration": "soon"}, "/duration"),
            ({"duration": ""}, "/duration"),
            ({"incident": "x" * 121}, "/incident"),
            ({"checkpoints": ["nowhere"]}, "/checkpoints"),
            ({"checkpoints": [BYPASS_REVIEW]}, "/checkpoints"),
        ],
    )
    def test_reason_length_and_scope_are_bounded(self, crew, wrong, pointer):
        with refused(Invalid, at=pointer):
            start(crew.lena, **wrong)

    @pytest.mark.parametrize("given", ["4h", "PT4H", "240m", "1h30m", "15 min", "1H"])
    def test_lengths_are_written_as_people_write_them(self, crew, given):
        bypass = start(crew.lena, duration=given)
        assert bypass.ends_at - bypass.starts_at <= timedelta(hours=4)


class TestOneAtATime:
    def test_the_same_person_starts_no_other_until_it_was_reviewed(self, crew):
        bypass = start(crew.lena)
        with refused(BypassUnreviewed, bypass=str(bypass.pk), review=None):
            start(crew.lena)
        end(bypass, crew.lena)
        ticket = review(bypass)
        with refused(BypassUnreviewed, review=str(ticket.pk)):
            start(crew.lena)
        crew.vote(ticket, crew.max, "in_order")
        assert start(crew.lena).pk != bypass.pk

    def test_nor_under_a_second_account_of_theirs(self, crew):
        start(crew.lena)
        second = make_person("lena2", roles=[crew.roles["lead"]], email="Lena+2@example.org")
        with refused(BypassUnreviewed):
            start(second)

    def test_another_person_starts_their_own(self, crew):
        first, second = start(crew.lena), start(crew.max, duration="30m")
        ticket = crew.open()
        assert ticket.decision.system["bypass"] == str(first.pk)
        end(first, crew.max)
        assert crew.open().decision.system["bypass"] == str(second.pk)


class TestTheEnd:
    def test_by_hand_it_is_told_once_and_opens_the_review(self, crew):
        bypass = start(crew.lena)
        passed = [crew.open(title=f"Pay {n}") for n in range(3)]
        ended = end(bypass, crew.max)
        again = end(bypass, crew.max)
        assert (ended.ended_by, again.ended_at) == (crew.max, ended.ended_at)
        assert told(bypass) == ["bypass.started", "bypass.ended"]
        proposal = review(bypass).proposal
        assert [row["ref"] for row in proposal["tickets"]] == [t.label for t in passed]
        assert proposal["passed"] == 3
        assert "not_listed" not in proposal
        assert f"/admin/reviews/ticket/{passed[0].pk}/" in proposal["tickets"][0]["link"]

    def test_by_time_the_sweep_tells_it_once(self, crew):
        bypass = start(crew.lena, duration="15m")
        sweep_bypasses()
        assert told(bypass) == ["bypass.started"]
        with later(minutes=16), entering(channel="system"):
            sweep_bypasses()
            sweep_bypasses()
        bypass.refresh_from_db()
        assert told(bypass) == ["bypass.started", "bypass.ended"]
        assert (bypass.ended_by, bypass.ended_at) == (None, bypass.ends_at)
        assert review(bypass).proposal["ended"] == "by itself"

    def test_a_list_too_long_is_counted_honestly(self, crew, monkeypatch):
        from reviews.services import bypass_reviews

        monkeypatch.setattr(bypass_reviews, "MOST_LISTED", 2)
        bypass = start(crew.lena)
        for _ in range(3):
            crew.open()
        end(bypass, crew.lena)
        proposal = review(bypass).proposal
        assert (len(proposal["tickets"]), proposal["passed"], proposal["not_listed"]) == (2, 3, 1)

    def test_who_has_nothing_to_do_with_it_does_not_end_it(self, crew):
        bypass = start(crew.lena)
        for nobody in (crew.ann, crew.otto, crew.machine):
            with pytest.raises((NotAllowed, MachineCannotBypass)):
                end(bypass, nobody)
        assert crew.open().status == "approved"


class TestTheReview:
    def test_it_is_the_starters_own_work_and_a_manager_answers(self, crew):
        bypass = start(crew.max)
        mona = make_person("mona", roles=[crew.roles["manager"]])
        end(bypass, crew.max)
        ticket = review(bypass)
        assert (ticket.checkpoint.slug, ticket.queue.slug) == (BYPASS_REVIEW, "oversight")
        with refused(OwnWork):
            crew.vote(ticket, crew.max, "in_order")
        crew.vote(ticket, mona, "not_in_order", reason="Nobody was called first.")
        sweep_bypasses()
        bypass.refresh_from_db()
        assert bypass.reviewed_at is not None
        event = AuditEvent.objects.get(stream=f"bypass:{bypass.pk}", type="bypass.reviewed")
        assert (event.data["outcome"], event.reason) == ("not_in_order", "Nobody was called first.")
        assert event.actor_id == str(mona.pk)

    def test_where_the_only_manager_started_it_administrators_are_asked(self, crew):
        root = make_person("root", roles=[crew.roles["admin"]])
        bypass = start(crew.max)
        end(bypass, crew.max)
        crew.vote(review(bypass), root, "in_order")
        sweep_bypasses()
        assert start(crew.max)

    def test_it_cannot_be_stopped_sent_again_or_made_up(self, crew):
        bypass = start(crew.lena)
        end(bypass, crew.lena)
        ticket = review(bypass)
        with refused(NotAllowed):
            cancel_ticket(ticket_id=ticket.pk, by=crew.lena, reason="never mind")
        with refused(NotAllowed):
            resubmit_ticket(ticket_id=ticket.pk, requester=crew.lena, proposal={})
        with refused(Invalid, at="/checkpoint"):
            crew.open(checkpoint=BYPASS_REVIEW)
        with refused(Invalid, at="/checkpoint"):
            open_ticket(
                requester=crew.lena,
                key=None,
                request=TicketRequest(checkpoint=BYPASS_REVIEW, title="All fine"),
            )

    def test_no_bypass_flag_or_rule_passes_it(self, crew, settings):
        first = start(crew.lena)
        start(crew.max)
        from reviews.models import Checkpoint, Rule

        standing = Checkpoint.objects.get(slug=BYPASS_REVIEW)
        Rule.objects.create(checkpoint=standing, position=1, name="all", when="true", then="allow")
        standing.active = False
        standing.save()
        settings.ENABLE_HUMAN_IN_THE_LOOP = False
        end(first, crew.lena)
        assert review(first).status == "pending"

    def test_where_nobody_answered_it_is_asked_again(self, crew):
        from reviews.services.sweeps import sweep_deadlines

        bypass = start(crew.lena)
        end(bypass, crew.lena)
        unanswered = review(bypass)
        with later(days=366), entering(channel="system"):
            sweep_deadlines()
            sweep_bypasses()
            unanswered.refresh_from_db()
            assert unanswered.status == "expired"
            assert review(bypass).pk != unanswered.pk
            assert review(bypass).status == "pending"


class TestWhoIsTold:
    @pytest.fixture(autouse=True)
    def _by_mail(self, settings):
        settings.MAIL_NOTICES = True
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

    def test_leads_managers_and_auditors_get_a_mail_at_start_and_end(self, crew):
        make_person("lena2", roles=[crew.roles["lead"]], email="lena+two@example.org")
        make_person("gone", roles=[crew.roles["lead"]], is_active=False)
        assert [person.username for person in people_told()] == ["lena", "max", "ada"]
        bypass = start(crew.lena, reason="Down <b>now</b>.\u202e.", incident="INC-7")
        crew.open()
        end(bypass, crew.lena)
        rows = Delivery.objects.filter(channel="announcement")
        assert sorted(rows.values_list("type", flat=True)) == [
            *(["bypass.ended"] * 3),
            *(["bypass.started"] * 3),
        ]
        dispatch_due()
        letters = [letter for letter in mail.outbox if letter.subject.startswith("[Bypass")]
        assert len(letters) == 6
        begun = next(letter for letter in letters if "until" in letter.subject)
        assert "Lena lets requests pass without people" in begun.subject
        assert "INC-7" in begun.body
        html = str(begun.alternatives[0][0])
        assert "<b>now</b>" not in html
        assert "\u202e" not in html + begun.body
        assert live_settings.BASE_URL in begun.body
        over = next(letter for letter in letters if "ended" in letter.subject)
        assert "1 ticket passed" in over.subject
        assert str(review(bypass).pk) in over.body

    def test_endpoints_hear_of_start_use_and_end(self, crew):
        purchase = checkpoint("data-purchase")
        for name, types, where in [
            ("all", [], None),
            ("starts", ["bypass.started"], None),
            ("decided", ["ticket.decided"], None),
            ("elsewhere", ["bypass.started"], purchase),
        ]:
            WebhookEndpoint.objects.create(
                name=name,
                url="https://listener.example/hook",
                types=types,
                checkpoint=where,
                secret="whsec_" + "A" * 43 + "=",
                created_by=crew.max,
                created_at="2026-01-01T00:00:00Z",
            )
        bypass = start(crew.lena, checkpoints=["general"])
        crew.open()
        end(bypass, crew.lena)
        heard = Delivery.objects.filter(channel="webhook", type__startswith="bypass.")
        assert sorted(heard.values_list("endpoint__name", "type")) == [
            ("all", "bypass.ended"),
            ("all", "bypass.started"),
            ("all", "bypass.used"),
            ("starts", "bypass.started"),
        ]
        body = heard.get(endpoint__name="starts").body
        assert (body["subject"], body["data"]["reason"]) == (str(bypass.pk), REASON)
