"""How the ready checkpoints lay their proposals out, and the comparison as a file."""

import pytest
from django.test import Client

from audit.clock import db_now
from audit.models import AuditEvent
from reviews.display import fields, views
from reviews.ready.checkpoints import AI_UPGRADE, COST_THRESHOLD, EMAIL_CAMPAIGN
from reviews.services.ready import load_ready
from tests.builders import make_person, make_region

DESK = "/admin/reviews/ticket/"
EVIL = "<img src=x onerror=alert(1)> [press](https://evil.example) `x` | \u202e"
UPGRADE = {
    "current_model": "writer-3",
    "new_model": "writer-4",
    "current_output": "The prices for May are in the list.",
    "new_output": "The prices for June are in the file below.",
    "cost_difference": 0.004,
    "quality_metrics": {"writer-4": {"clear": 0.9, "short": 0.7}, "writer-3": {"clear": 0.5}},
}
MAILS = [{"subject": f"Subject {n}", "body": f"Body {n}\nline two"} for n in range(5)]
CAMPAIGN = {
    "recipient_count": 500,
    "segments": ["north"],
    "sample_emails": MAILS,
    "send_time_estimate": "an hour",
    "compliance_checklist": {"unsubscribe_link": True, "consent": False, "sender": "checked"},
}
ALERT = {
    "daily_spend": 190,
    "daily_budget": 200,
    "operation_cost": 5,
    "projected_month": 100,
    "monthly_budget": 6000,
    "breakdown": {"mail": 10, "models": 30.5},
}


def parts(checkpoint, proposal):
    labels = fields.labels_of(checkpoint["view"], checkpoint["proposal_schema"])
    found = fields.fields_of(proposal, labels, schema=checkpoint["proposal_schema"])
    return {part.name: part for part in views.parts_of(found, proposal, checkpoint["view"])}


def test_sample_mails_become_cards():
    shown = parts(EMAIL_CAMPAIGN, CAMPAIGN)["sample_emails"]
    assert (shown.kind, shown.wide) == ("samples", True)
    assert shown.items[0] == views.Sample("Subject 0", "Body 0\nline two")
    assert len(shown.items) == 5


def test_a_checklist_says_yes_no_or_what_it_was_given():
    shown = parts(EMAIL_CAMPAIGN, CAMPAIGN)["compliance_checklist"]
    assert shown.items == (
        views.Check("Unsubscribe link", True, "Yes"),
        views.Check("Consent", False, "No"),
        views.Check("Sender", None, "checked"),
    )


@pytest.mark.parametrize(
    "given",
    [["Consent", "Sender"], [{"item": "Consent", "ok": True}, {"name": "Sender", "done": False}]],
)
def test_a_checklist_may_be_a_list(given):
    shown = parts(EMAIL_CAMPAIGN, {**CAMPAIGN, "compliance_checklist": given})
    assert [check.name for check in shown["compliance_checklist"].items] == ["Consent", "Sender"]


def test_a_breakdown_is_drawn_the_largest_first():
    shown = parts(COST_THRESHOLD, ALERT)["breakdown"].items
    assert [(part.name, part.amount, part.share) for part in shown] == [
        ("models", "30.5", "75%"),
        ("mail", "10", "25%"),
    ]
    assert (shown[0].width, shown[1].width) == (120, 39.3)


def test_two_outputs_stand_beside_each_other_word_by_word():
    shown = parts(AI_UPGRADE, UPGRADE)
    (pair,) = shown["new_output"].items

    assert not {"current_output", "quality_metrics"} & set(shown)
    assert (pair.before, pair.after) == ("writer-3", "writer-4")
    assert ("del", "May") in pair.before_pieces
    assert ("ins", "June") in pair.after_pieces
    assert "".join(text for _, text in pair.before_pieces) == UPGRADE["current_output"]
    assert "".join(text for _, text in pair.after_pieces) == UPGRADE["new_output"]
    assert pair.columns == ("writer-3", "writer-4")
    assert pair.metrics == (("Clear", "0.5", "0.9"), ("Short", "", "0.7"))


def test_a_changed_passage_is_one_passage():
    pieces = fields.worded("the old words stay here", "the new ones stay here")
    assert pieces == (
        ("same", "the "), ("del", "old words"), ("ins", "new ones"), ("same", " stay here"),
    )  # fmt: skip


@pytest.mark.parametrize(
    "checkpoint, proposal, changed",
    [
        (EMAIL_CAMPAIGN, CAMPAIGN, {"sample_emails": [{"subject": "a", "body": 5}]}),
        (EMAIL_CAMPAIGN, CAMPAIGN, {"sample_emails": [{"subject": "a", "body": "b", "to": "c"}]}),
        (EMAIL_CAMPAIGN, CAMPAIGN, {"compliance_checklist": [[1], 2]}),
        (EMAIL_CAMPAIGN, CAMPAIGN, {"compliance_checklist": {"a": {"b": 1}}}),
        (COST_THRESHOLD, ALERT, {"breakdown": {"mail": -1, "models": 3}}),
        (COST_THRESHOLD, ALERT, {"breakdown": {}}),
        (AI_UPGRADE, UPGRADE, {"quality_metrics": ["clear"]}),
        (AI_UPGRADE, UPGRADE, {"quality_metrics": {"writer-3": {}, "writer-4": {}}}),
        (AI_UPGRADE, UPGRADE, {"quality_metrics": {"writer-3": {"a": {"deep": 1}}}}),
    ],
)
def test_what_has_another_shape_stays_a_plain_field(checkpoint, proposal, changed):
    (name,) = changed
    shown = parts(checkpoint, {**proposal, **changed})
    assert shown[name].kind in ("text", "list", "pairs", "table", "json")


def test_a_breakdown_of_nothing_is_drawn_without_shares():
    shown = parts(COST_THRESHOLD, {**ALERT, "breakdown": {"mail": 0}})["breakdown"].items
    assert (shown[0].share, shown[0].width) == ("", 0)


@pytest.mark.parametrize("view", [None, [], {"fields": 5}, {"fields": [5, {"kind": "samples"}]},
                                  {"fields": [{"name": "a", "kind": ["x"]}]},
                                  {"fields": [{"name": "a", "kind": "compare", "before": {}}]},
                                  {"fields": [{"name": "b", "kind": "compare", "before": "a",
                                               "names": 5, "metrics": []}]},
                                  {"fields": [{"name": "b", "kind": "compare", "before": "b"}]},
                                  {"fields": [{"name": "a", "kind": "compare", "before": "b"},
                                              {"name": "b", "kind": "compare", "before": "a"}]},
                                  ])  # fmt: skip
def test_a_view_somebody_wrote_otherwise_leaves_nothing_out(view):
    proposal = {"a": "one", "b": "two"}
    found = fields.fields_of(proposal, fields.labels_of(view, {}))
    shown = views.parts_of(found, proposal, view)
    names = {part.name for part in shown}
    compared = {part.name for part in shown if part.kind == "compare"}
    # A comparison shows both of its sides.
    assert names == {"a", "b"} or compared


@pytest.fixture
def ready(cast):
    load_ready()
    return cast


def at_desk(person):
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def page(cast, ticket, person=None):
    return at_desk(person or cast.ann).get(f"{DESK}{ticket.pk}/change/")


@pytest.mark.db
class TestPages:
    def test_the_page_of_a_campaign_shows_its_mails_inert(self, ready):
        mails = [*MAILS[:4], {"subject": EVIL, "body": EVIL}]
        ticket = ready.open(
            checkpoint="email-campaign", proposal={**CAMPAIGN, "sample_emails": mails}
        )
        text = page(ready, ticket).content.decode()
        assert text.count('class="sample"') == 5
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text
        assert "U+202E" in text

    def test_the_page_of_an_alert_draws_its_breakdown(self, ready):
        ticket = ready.open(checkpoint="cost-threshold", proposal=ALERT)
        text = page(ready, ticket).content.decode()
        assert 'class="bar-fill" width="120.0"' in text
        assert "75%" in text

    def test_the_page_of_an_upgrade_compares_and_offers_the_file(self, ready):
        ticket = ready.open(checkpoint="ai-upgrade", proposal=UPGRADE)
        text = page(ready, ticket).content.decode()
        assert "<del><bdi>May</bdi></del>" in text
        assert "<ins><bdi>June</bdi></ins>" in text
        assert f"{DESK}{ticket.pk}/report" in text

    def test_a_view_belongs_to_no_checkpoint_s_name(self, ready):
        checkpoint = ready.general
        checkpoint.view = {"fields": [{"name": "parts", "kind": "breakdown"}]}
        checkpoint.save()
        ticket = ready.open(proposal={"parts": {"a": 1, "b": 3}})
        assert "bar-fill" in page(ready, ticket).content.decode()


@pytest.mark.db
class TestReport:
    def report(self, cast, ticket, person=None, method="get"):
        client = at_desk(person or cast.ann)
        return getattr(client, method)(f"{DESK}{ticket.pk}/report")

    def test_it_is_a_file_with_both_outputs_and_their_measures(self, ready):
        ticket = ready.open(checkpoint="ai-upgrade", proposal=UPGRADE, title="Switch the writer")
        answer = self.report(ready, ticket)
        text = answer.content.decode()

        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/markdown; charset=utf-8"
        assert answer.headers["Content-Disposition"] == (
            f'attachment; filename="{ticket.label}-comparison.md"'
        )
        assert "sandbox" in answer.headers["Content-Security-Policy"]
        assert text.startswith("# Comparison of writer\\-3 and writer\\-4\n")
        assert "| Clear | 0\\.5 | 0\\.9 |" in text
        assert "| Cost difference | 0\\.004 |" in text
        assert "\n    The prices for May are in the list.\n" in text
        assert "\n    The prices for June are in the file below.\n" in text
        assert ticket.decision.action_digest in text

    def test_nothing_untrusted_in_it_is_markup(self, ready):
        from markdown_it import MarkdownIt

        evil = {
            **UPGRADE,
            "current_model": f"a\n# {EVIL}",
            "current_output": f"```\n{EVIL}\n\n# head\n<script>alert(1)</script>",
            "quality_metrics": {f"a\n# {EVIL}": {EVIL: EVIL}},
        }
        ticket = ready.open(checkpoint="ai-upgrade", proposal=evil, title=EVIL)
        text = self.report(ready, ticket).content.decode()
        html = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(text)

        assert "\u202e" not in text
        for tag in ("<img", "<a ", "<script"):
            assert tag not in html
        assert html.count("<h1>") == 1
        assert html.count("<h2>") == 3
        assert html.count("<pre>") == 2
        assert html.count("<table>") == 2

    def test_what_one_may_not_see_is_not_there(self, ready):
        make_region("south", ready.ben)
        ticket = ready.open(checkpoint="ai-upgrade", proposal=UPGRADE, region="south")
        stranger = make_person("stranger")
        assert self.report(ready, ticket, ready.ben).status_code == 200
        for person in (ready.ann, stranger):
            assert self.report(ready, ticket, person).status_code == 404
        assert Client().get(f"{DESK}{ticket.pk}/report").status_code == 302

    def test_a_ticket_that_compares_nothing_has_none(self, ready):
        assert self.report(ready, ready.open()).status_code == 404
        assert at_desk(ready.ann).get(f"{DESK}nothing/report").status_code == 404

    def test_reading_it_changes_nothing_and_posting_is_refused(self, ready):
        ticket = ready.open(checkpoint="ai-upgrade", proposal=UPGRADE)
        before = AuditEvent.objects.count()
        assert self.report(ready, ticket).status_code == 200
        assert self.report(ready, ticket, method="post").status_code == 405
        assert AuditEvent.objects.count() == before
        assert db_now() > ticket.created_at
