"""The queue's page around its rows: filters, kept views, several at once, one's own requests."""

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.auth.models import Permission
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import strip_tags

from approvals.models import User, Vote
from audit.clock import shifted
from reviews.models import Assignment, Queue, QueueChoice, Skip
from reviews.services.assignments import assign_ticket, claim_ticket
from reviews.services.deliveries import dispatch_due
from reviews.services.preferences import MOST_VIEWS, views_of
from tests.builders import make_checkpoint, make_policy, make_region
from tests.stories import checkpoint, people, question

pytestmark = pytest.mark.db
QUEUE = "/admin/reviews/ticket/"


@pytest.fixture
def ann(cast):
    return at_desk(cast.ann)


@pytest.fixture
def lena(cast):
    """A lead, who gives work to others."""
    cast.roles["lead"].permissions.add(Permission.objects.get(codename="add_assignment"))
    return at_desk(cast.lena)


def at_desk(person) -> Client:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def titles(client, query="") -> list[str]:
    return sorted(row.ticket.title for row in client.get(QUEUE + query).context["rows"])


def chosen(*tickets, **versions) -> list[str]:
    return [f"{ticket.pk}:{versions.get(ticket.title, ticket.version)}" for ticket in tickets]


def bulk(client, act, *tickets, **more):
    sent = {"act": act, "ticket": chosen(*tickets), **more}
    return client.post(QUEUE + "bulk/", sent, follow=True)


def text_of(answer) -> str:
    return answer.content.decode()


def words_of(answer) -> str:
    """Return what somebody reads on a page."""
    return " ".join(strip_tags(text_of(answer)).split())


class TestFilters:
    def test_each_filter_shows_what_it_says(self, cast, ann):
        checkpoint("risky", risk="high")
        north = make_region("north", cast.ann)
        cast.open(title="Risky", checkpoint="risky")
        cast.open(title="North", region=north.slug)
        with shifted(timedelta(days=-2)):
            cast.open(title="Late")
        assert titles(ann) == ["Late", "North", "Risky"]
        assert titles(ann, "?risk=high") == ["Risky"]
        assert titles(ann, "?region=north") == ["North"]
        assert titles(ann, "?age=1d") == ["Late"]
        assert titles(ann, "?overdue=1") == ["Late"]
        assert titles(ann, f"?by={quote(cast.machine.username)}") == ["Late", "North", "Risky"]
        assert titles(ann, "?by=nobody") == []
        assert titles(ann, "?overdue=1&risk=high") == []

    def test_what_was_escalated_is_found(self, cast, ann):
        asked = question(needs=[people("reviewer")], escalate=[{"after": "PT1H", "role": "lead"}])
        checkpoint("wide", asked)
        ticket = cast.open(title="Wide", checkpoint="wide")
        cast.open(title="Plain")
        ann.post(f"{QUEUE}{ticket.pk}/change/", {"act": "escalate", "reason": "Beyond me."})
        assert titles(ann, "?escalated=1") == ["Wide"]

    @pytest.mark.parametrize(
        "query", ["risk=x", "region=%00", "age=1y", "by=%00", "overdue=yes", "escalated=2"]
    )
    def test_what_an_address_makes_up_is_passed_over(self, cast, ann, query):
        cast.open(title="Here")
        assert ann.get(f"{QUEUE}?{query}").status_code == 200

    def test_another_regions_tickets_stay_away_whatever_the_filter(self, cast, ann):
        make_region("north", cast.ben)
        cast.open(title="North", region="north")
        assert titles(ann, "?region=north") == []

    def test_paging_and_search_keep_the_filters(self, cast, ann):
        cast.open(title="One")
        text = text_of(ann.get(QUEUE + "?risk=low&age=&q=One"))
        assert '<input type="hidden" name="risk" value="low">' in text
        assert "?risk=low&amp;age=4h&amp;q=One" in text or "age=4h" in text

    def test_queues_are_counted_from_the_second_on(self, cast, ann):
        other = Queue.objects.create(slug="other", name="Other")
        other.roles.set([cast.roles["reviewer"]])
        elsewhere = checkpoint("elsewhere")
        QueueChoice.objects.create(position=1, checkpoint=elsewhere, queue=other)
        for name, where in (("a", "general"), ("b", "general"), ("c", "elsewhere")):
            cast.open(title=name, checkpoint=where)
        queues = ann.get(QUEUE).context["queues"]
        assert [(name, count) for name, count, _, _ in queues] == [("General", 2), ("Other", 1)]
        assert titles(ann, "?queue=other") == ["c"]

    def test_an_empty_list_says_which_emptiness_it_is(self, cast, ann):
        assert "nothing has come in yet" in text_of(ann.get(QUEUE))
        ticket = cast.open(title="Here")
        assert "No ticket here matches these filters; 1 waiting" in text_of(
            ann.get(QUEUE + "?risk=high")
        )
        claim_ticket(ticket_id=ticket.pk, person=cast.ben)
        held = text_of(ann.get(QUEUE + "?show=mine"))
        assert "You hold no ticket. 1 waiting, 1 held by others" in held
        cast.vote(ticket, cast.ben, "approve")
        assert "Nothing waits for people. Last: " in text_of(ann.get(QUEUE))

    def test_an_assignment_without_an_end_is_mine(self, cast, ann, lena):
        ticket = cast.open(title="Given")
        assign_ticket(ticket_id=ticket.pk, person="ann", by=User.objects.get(pk=cast.lena.pk))
        answer = ann.get(QUEUE + "?show=mine")
        assert [row.ticket for row in answer.context["rows"]] == [ticket]
        assert answer.context["summary"]["yours"] == 1


class TestArrivals:
    def test_only_what_came_since_is_counted_and_nothing_is_written(self, cast, ann):
        cast.open(title="Before")
        with shifted(timedelta(seconds=2)):
            since = ann.get(QUEUE).context["since"]
        address = f"{QUEUE}arrivals/?since={since}"
        assert ann.get(address).json()["new"] == 0
        old = f"{QUEUE}arrivals/?since={'0' * 32}"
        with CaptureQueriesContext(connection) as queries:
            assert ann.get(old).json() == {"new": 1, "link": "?", "rows": {}}
            assert ann.get(f"{old}&risk=high").json()["new"] == 0
        assert not [q for q in queries if q["sql"].lstrip().startswith(("INSERT", "UPDATE"))]
        assert ann.get(f"{QUEUE}arrivals/?since=nonsense").status_code == 200
        assert ann.post(address).status_code == 405
        assert at_desk(cast.otto).get(old).json()["new"] == 0


class TestPreferences:
    def test_rows_keep_the_height_somebody_chose(self, cast, ann):
        cast.open()
        assert "page-queue roomy" in text_of(ann.get(QUEUE))
        answer = ann.post(QUEUE + "density/", {"density": "compact", "query": "risk=low&evil=1"})
        assert answer.url == f"{QUEUE}?risk=low"
        assert "page-queue compact" in text_of(ann.get(QUEUE))
        ann.post(QUEUE + "density/", {"density": "huge"})
        assert "page-queue compact" in text_of(ann.get(QUEUE))

    def test_settings_are_kept_and_nonsense_is_refused(self, cast, ann):
        sent = {"density": "compact", "advance": "on", "time_zone": "Europe/Berlin"}
        assert "Saved." in text_of(ann.post(QUEUE + "preferences/", sent, follow=True))
        cast.ann.refresh_from_db()
        assert cast.ann.time_zone == "Europe/Berlin"
        kept = {"density": "compact", "advance": True, "shortcuts": False}
        assert {name: cast.ann.preferences[name] for name in kept} == kept
        assert 'data-keys="off"' in text_of(ann.get(QUEUE))
        answer = ann.post(QUEUE + "preferences/", {**sent, "time_zone": "Mars/Base"})
        assert answer.status_code == 422
        assert "is not a time zone" in text_of(answer)

    def test_a_view_is_kept_renamed_and_deleted(self, cast, ann):
        def views(act, **more):
            answer = ann.post(QUEUE + "views/", {"act": act, **more})
            cast.ann.refresh_from_db()
            return answer

        added = views("add", name="  Late  ones ", query="overdue=1&x=<script>&show=mine")
        assert added.url == f"{QUEUE}?overdue=1&show=mine"
        assert views_of(cast.ann) == [{"name": "Late ones", "query": "overdue=1&show=mine"}]
        assert "Late ones" in text_of(ann.get(QUEUE))
        views("rename", name="Late ones", to="Late")
        assert [view["name"] for view in views_of(cast.ann)] == ["Late"]
        views("delete", name="Late")
        assert views_of(cast.ann) == []
        assert views("add", name=" ", query="").status_code == 422
        assert views("add", name="x" * 41, query="").status_code == 422
        assert views("dance", name="x").status_code == 422

    def test_somebody_keeps_only_so_many_views(self, cast, ann):
        for number in range(MOST_VIEWS + 1):
            answer = ann.post(QUEUE + "views/", {"act": "add", "name": str(number), "query": "q=x"})
        assert answer.status_code == 409
        cast.ann.refresh_from_db()
        assert len(views_of(cast.ann)) == MOST_VIEWS

    def test_after_a_decision_the_desk_goes_on_if_somebody_likes(self, cast, ann):
        first, second = cast.open(title="First", amount=9000), cast.open(title="Second")
        User.objects.filter(pk=cast.ann.pk).update(preferences={"advance": True})
        sent = {"act": "vote", "choice": "approve", "version": 1, "reason": ""}
        answer = ann.post(f"{QUEUE}{first.pk}/change/", sent, follow=True)
        assert answer.redirect_chain[0][0] == f"{QUEUE}{second.pk}/change/?done={first.pk}"
        assert f'Approved: <a href="{QUEUE}{first.pk}/change/">' in text_of(answer)
        last = ann.post(f"{QUEUE}{second.pk}/change/", sent)
        assert last.url == f"{QUEUE}?done={second.pk}"
        assert at_desk(cast.otto).get(last.url).status_code == 200


class TestSeveralAtOnce:
    def test_high_risk_has_no_box_and_says_why(self, cast, ann):
        checkpoint("risky", risk="high")
        ticket = cast.open(checkpoint="risky")
        text = text_of(ann.get(QUEUE))
        assert "High risk, decided one by one" in text
        assert f'value="{ticket.pk}:' not in text

    def test_what_was_chosen_is_looked_at_first_and_nothing_is_decided(self, cast, ann):
        checkpoint("careful", risk="medium")
        low, careful = cast.open(title="Low"), cast.open(title="Careful", checkpoint="careful")
        answer = bulk(ann, "answer", low, careful)
        text = text_of(answer)
        assert "One answer to 1 ticket" in text
        assert "It carries a medium risk." in text
        assert not Vote.objects.exists()

    def test_each_vote_has_its_fate_and_can_be_taken_back(self, cast, ann):
        good, gone = cast.open(title="Good"), cast.open(title="Gone")
        cast.vote(gone, cast.ben, "approve")
        answer = bulk(ann, "vote", good, gone, choice="approve", reason="As ever.")
        assert answer.redirect_chain[0] == (QUEUE + "bulk/result/", 303)
        assert answer.context["sentence"] == "1 approved, 1 already decided"
        assert "Take these back" in text_of(answer)
        assert Vote.objects.get(voter=cast.ann).reason == "As ever."
        back = ann.post(QUEUE + "bulk/", {"act": "take-back"}, follow=True)
        assert back.context["sentence"] == "1 taken back, 1 already decided"
        good.refresh_from_db()
        assert good.status == "revoked"

    def test_what_changed_since_the_queue_is_left_out(self, cast, ann):
        ticket = cast.open(title="Moved")
        sent = {"act": "vote", "ticket": chosen(ticket, Moved=7), "choice": "approve"}
        answer = ann.post(QUEUE + "bulk/", sent, follow=True)
        assert answer.context["sentence"] == "1 changed since"
        assert not Vote.objects.exists()

    def test_after_the_window_nothing_is_promised(self, cast, ann):
        bulk(ann, "vote", cast.open(), choice="approve")
        with shifted(timedelta(hours=1)):
            text = text_of(ann.get(QUEUE + "bulk/result/"))
        assert "These are final and cannot be taken back." in text
        assert "Take these back" not in text

    def test_an_open_question_is_said_to_be_open(self, cast, ann):
        two = question(needs=[people("reviewer", 2)])
        checkpoint("two", two)
        answer = bulk(ann, "vote", cast.open(checkpoint="two"), choice="approve")
        assert answer.context["sentence"] == "1 recorded while others are asked"
        back = ann.post(QUEUE + "bulk/", {"act": "take-back"}, follow=True)
        assert back.context["sentence"] == "1 taken back"

    @pytest.mark.parametrize("sent", [{}, {"ticket": "x"}, {"ticket": "1:2"}, {"act": "vote"}])
    def test_nothing_chosen_leads_back_to_the_queue(self, cast, ann, sent):
        assert ann.post(QUEUE + "bulk/", {"act": "answer", **sent}).url == QUEUE
        assert ann.get(QUEUE + "bulk/").url == QUEUE
        assert ann.get(QUEUE + "bulk/result/").url == QUEUE

    def test_anothers_region_is_not_shown_by_its_id(self, cast, ann):
        make_region("north", cast.ben)
        hidden = cast.open(title="Hidden", region="north")
        assert bulk(ann, "answer", hidden).redirect_chain[-1][0] == QUEUE
        answer = bulk(ann, "vote", hidden, choice="approve")
        assert "Hidden" not in text_of(answer)
        assert not Vote.objects.exists()

    def test_a_lead_gives_several_to_somebody(self, cast, lena):
        tickets = [cast.open(title=name) for name in "ab"]
        looked = bulk(lena, "assign", *tickets)
        assert "Give 2 tickets to somebody" in text_of(looked)
        assert [p.username for p in looked.context["people"]] == ["ann", "ben", "cleo"]
        answer = bulk(lena, "give", *tickets, person="ben", reason="Yours.")
        assert answer.context["sentence"] == "2 assigned"
        assert Assignment.objects.filter(person=cast.ben, released_at=None).count() == 2
        refused = bulk(lena, "give", *tickets, person="")
        assert "Choose somebody to give them to." in text_of(refused)

    def test_a_reviewer_may_only_take_them_on_themselves(self, cast, ann):
        ticket = cast.open()
        assert [p.username for p in bulk(ann, "assign", ticket).context["people"]] == ["ann"]
        answer = bulk(ann, "give", ticket, person="ben")
        assert answer.context["sentence"] == "1 refused"

    def test_one_person_answers_many_only_so_often(self, cast, ann):
        ticket = cast.open()
        for _ in range(7):
            answer = bulk(ann, "vote", ticket, choice="approve")
        assert answer.status_code == 429


class TestAroundTheVote:
    def test_skip_leads_to_the_next_one(self, cast, ann):
        first, second = cast.open(title="First", amount=9000), cast.open(title="Second")
        answer = ann.post(f"{QUEUE}{first.pk}/change/", {"act": "skip"})
        assert answer.url == f"{QUEUE}{second.pk}/change/"
        assert Skip.objects.get().person == cast.ann
        assert ann.post(QUEUE + "next/").url == f"{QUEUE}{second.pk}/change/"

    def test_a_lead_assigns_from_the_page(self, cast, lena):
        ticket = cast.open()
        page = f"{QUEUE}{ticket.pk}/change/"
        assert "Assign…" in text_of(lena.get(page))
        assert "Assign…" not in text_of(at_desk(cast.ann).get(page))
        lena.post(page, {"act": "assign", "person": "cleo", "reason": "Please."})
        assert Assignment.objects.get(released_at=None).person == cast.cleo
        assert "Cleo holds this. You may still vote." in words_of(at_desk(cast.ann).get(page))

    def test_a_refusal_stands_as_a_sentence_on_the_page(self, cast, ann):
        page = f"{QUEUE}{cast.open().pk}/change/"
        answer = ann.post(page, {"act": "escalate", "reason": "Help."})
        assert answer.status_code == 409
        assert "Nobody else is left to ask" in text_of(answer)
        assert ann.post(page, {"act": "assign", "person": "ben"}).status_code == 403

    def test_a_sample_goes_out_as_a_test_mail(self, cast, ann, settings):
        settings.MAIL_NOTICES = True
        view = {"fields": [{"name": "letters", "kind": "samples"}]}
        make_checkpoint("mailing", question=make_policy("mailing"), view=view)
        letters = [{"subject": f"Offer {n}", "body": "Hello"} for n in range(5)]
        ticket = cast.open(checkpoint="mailing", proposal={"letters": letters})
        page = f"{QUEUE}{ticket.pk}/change/"
        dispatch_due()
        mail.outbox.clear()
        assert "Send one as a test mail" in text_of(ann.get(page))
        answer = ann.post(page, {"act": "test-mail", "sample": 2, "to": "me"}, follow=True)
        assert "The test mail is on its way to 1 person." in text_of(answer)
        dispatch_due()
        assert [m.subject for m in mail.outbox] == [f"[Test] Offer 1 ({ticket.label})"]
        assert ann.post(page, {"act": "test-mail", "sample": "²"}).status_code == 422
        assert "Send one as a test mail" not in text_of(at_desk(cast.ada).get(page))


class TestMyRequests:
    def test_a_person_sees_what_agents_asked_for_them_and_how_it_stands(self, cast):
        mine = cast.open(title="For Otto", on_behalf_of="otto@example.org", amount=120)
        cast.open(title="For nobody")
        claim_ticket(ticket_id=mine.pk, person=cast.ann)
        otto = at_desk(cast.otto)
        text = text_of(otto.get(QUEUE + "requests/"))
        assert "For Otto" in text
        assert "For nobody" not in text
        assert "Ann is looking at it." in words_of(otto.get(QUEUE + "requests/"))
        cast.vote(mine, cast.ann, "reject", reason="Too dear.")
        text = text_of(otto.get(QUEUE + "requests/"))
        assert "Reject" in text
        assert "Too dear." in text
        assert "Cancel this request" not in text

    def test_they_cancel_their_own_and_nobody_elses(self, cast):
        mine = cast.open(on_behalf_of="otto@example.org")
        other = cast.open()
        otto = at_desk(cast.otto)
        address = QUEUE + "requests/"
        assert otto.post(address, {"ticket": mine.pk, "reason": "Done."}).status_code == 302
        mine.refresh_from_db()
        assert mine.status == "cancelled"
        for name in (other.pk, "nonsense"):
            assert otto.post(address, {"ticket": name}).status_code == 404
        other.refresh_from_db()
        assert other.status == "pending"

    def test_a_person_without_a_place_at_the_desk_sees_theirs_and_no_more(self, cast):
        User.objects.filter(pk=cast.otto.pk).update(is_staff=False)
        cast.open(title="For Otto", on_behalf_of="otto@example.org")
        otto = at_desk(cast.otto)
        text = text_of(otto.get(QUEUE + "requests/"))
        assert "For Otto" in text
        assert "/change/" not in text
        assert otto.get(QUEUE).status_code == 302

    def test_an_empty_page_says_what_will_stand_there(self, cast):
        answer = at_desk(cast.otto).get(QUEUE + "requests/")
        assert "Nothing was asked on your behalf yet." in text_of(answer)
        assert Client().get(QUEUE + "requests/").status_code == 302

    def test_the_number_of_queries_does_not_grow(self, cast):
        otto = at_desk(cast.otto)

        def queries():
            with CaptureQueriesContext(connection) as seen:
                otto.get(QUEUE + "requests/")
            return len(seen)

        for count in (1, 6):
            for _ in range(count):
                ticket = cast.open(on_behalf_of="otto@example.org")
                cast.vote(ticket, cast.ann, "approve")
            if count == 1:
                few = queries()
        assert queries() == few


def test_no_page_of_these_runs_inline_script_or_keeps_a_copy(cast, ann):
    for where in ("", "preferences/", "requests/"):
        answer = ann.get(QUEUE + where)
        assert "script-src 'self';" in answer.headers["Content-Security-Policy"]
        assert " style=" not in text_of(answer)
        assert "no-store" in answer.headers["Cache-Control"]


def test_hostile_text_stays_inert_on_these_pages(cast, ann):
    evil = "<script>alert(1)</script>\u202egpj"
    ticket = cast.open(title=evil, summary=evil + "!", on_behalf_of="ann@example.org")
    other = cast.open(title=evil, summary=evil)
    for name, status in ((evil, 422), ("<script>alert", 303)):
        sent = {"act": "add", "name": name, "query": "q=" + quote(evil)}
        assert ann.post(QUEUE + "views/", sent).status_code == status
    for asked in ("q", "by", "region"):
        assert "<script>alert" not in text_of(ann.get(f"{QUEUE}?{asked}={quote(evil)}"))
    pages = [
        ann.get(QUEUE + "requests/"),
        ann.get(QUEUE + "preferences/"),
        bulk(ann, "answer", ticket, other),
        bulk(ann, "vote", other, choice="approve"),
    ]
    for answer in pages:
        assert "<script>alert" not in text_of(answer)
        assert "\u202e" not in text_of(answer)
