"""What people are shown: untrusted text is inert, sentences take only plain values."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from audit.models import AuditEvent
from reviews.display import fields, inert, moments
from reviews.display.agent import claim_of
from reviews.display.timeline import story_of
from reviews.services.endpoints import EVENT_TYPES


def sentence(template: str, proposal: dict[str, object], amount: Decimal | None = None) -> str:
    return "".join(part.text for part in fields.effect(template, proposal, amount))


@pytest.mark.parametrize(
    "character", ["\u202e", "\u200b", "\u2066", "\u00ad", "\x1b", "\x00", "\u3164", "\ufeff"]
)
def test_a_character_that_shows_nothing_is_written_out(character):
    shown = inert.visible(f"pay{character}pal")
    assert character not in shown
    assert f"U+{ord(character):04X}" in shown


def test_markup_in_untrusted_text_stays_text():
    assert inert.visible("<script>alert(1)</script>") == (
        "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>"
    )


def test_a_sentence_takes_the_values_of_the_proposal():
    shown = sentence("Pays {payee} {total}.", {"payee": "ACME", "total": 1200.5})
    assert shown == "Pays ACME 1,200.5."


def test_a_value_that_is_the_amount_is_written_as_money():
    proposal = {"total": 187.5, "currency": "EUR"}
    assert sentence("Costs {total}.", proposal, Decimal("187.50")) == "Costs 187.50 EUR."


@pytest.mark.parametrize(
    "template", ["{payee.__class__}", "{payee[0]}", "{payee!r}", "{payee:>9999}", "{0}", "{}"]
)
def test_a_sentence_reads_nothing_but_plain_names(template):
    assert sentence(template, {"payee": "ACME"}) == template


def test_a_sentence_says_what_is_missing():
    (part,) = fields.effect("{payee}", {})
    assert part.missing
    assert part.text == "payee"


def test_no_field_of_a_proposal_is_left_out():
    labels = fields.labels_of({"fields": [{"name": "b", "label": "The b"}]}, {})
    shown = fields.fields_of({"a": 1, "b": 2, "c": {"deep": {"er": [1]}}}, labels)
    assert [field.name for field in shown] == ["b", "a", "c"]
    assert shown[0].label == "The b"
    assert '"er": [' in shown[2].text


def test_changes_are_told_field_by_field_with_words():
    found = fields.changes_between(
        {"total": 900, "note": "x", "same": 1}, {"total": 700, "same": 1, "new": True}, {}
    )
    told = {change.label: (change.word, change.pieces) for change in found}
    assert told == {
        "Total": ("changed", (("del", "900"), ("ins", "700"))),
        "Note": ("removed", (("del", "x"),)),
        "New": ("added", (("ins", "Yes"),)),
    }


def test_a_long_text_shows_the_words_that_changed():
    before = "We will send the letter to all customers of the north by Monday noon."
    (change,) = fields.changes_between({"t": before}, {"t": before.replace("north", "south")}, {})
    assert [piece for piece in change.pieces if piece[0] != "same"] == [
        ("del", "north"),
        ("ins", "south"),
    ]


def test_what_an_agent_says_may_have_any_shape():
    claim = claim_of(
        {
            "confidence": "very",
            "features": [{"name": "a", "importance": -0.5}, 7, {"importance": "x"}],
            "options": "none",
            "reasoning": ["a", {"b": 1}],
        }
    )
    assert claim is not None
    assert claim.confidence == ""
    assert [(bar.name, bar.importance) for bar in claim.bars] == [("a", "−0.50")]
    assert claim.options == ()


def test_times_left_are_told_in_two_units():
    spans = {30: "30 s", 1080: "18 min", 18600: "5 h 10 min", 86400 * 2 + 3600: "2 d 1 h"}
    assert {s: moments.length(timedelta(seconds=s)) for s in spans} == spans
    at = datetime(2026, 5, 4, 12, 20, tzinfo=UTC)
    assert moments.clock(at, now=at) == "12:20"
    assert moments.clock(at, now=at + timedelta(days=2)) == "4 May 12:20"


@pytest.mark.parametrize(
    "text, shown",
    [
        ("pay p\u0430ypal", "pay p[\u0430 U+0430]ypal"),
        ("An \u0410\u0421\u041c", "An [\u0410 U+0410][\u0421 U+0421][\u041c U+041C]"),
        ("\uff30ay", "[\uff30 U+FF30]ay"),
        ("\U0001d5e3ay", "[\U0001d5e3 U+1D5E3]ay"),
        ("bank\u2215evil", "bank[\u2215 U+2215]evil"),
        ("9\u03360\u0336", "9[U+0336]0[U+0336]"),
        ("yes" + "\n" * 40 + "no", "yes[39 empty lines]no"),
        ("yes" + "\u00a0" * 40 + "no", "yes[40 spaces]no"),
    ],
)  # fmt: skip
def test_a_text_that_poses_as_another_is_marked(text, shown):
    assert inert.plain(text) == shown
    assert inert.has_hidden(text)


@pytest.mark.parametrize(
    "text",
    ["Оплата за сор", "日本語Tシャツ", "IT-отдел", "naïve café", "1ª ½ m² Δt", "❤️", "a\n\nb\tc"],
)
def test_honest_text_of_any_script_is_left_alone(text):
    assert inert.plain(text) == text


@pytest.mark.parametrize("type", [one for one in EVENT_TYPES if one.startswith("ticket.")])
def test_every_line_of_a_tickets_story_is_words(type):
    event = AuditEvent(type=type, stream="ticket:x", actor_kind="machine", actor_label="Buyer")
    (line,) = story_of([event], labels={})
    assert not set("._") & set(line.said)


def test_a_story_tells_what_the_trail_has_words_for():
    event = AuditEvent(
        type="ticket.result_recorded", data={"result": "sent"}, actor_label="Buyer", stream="x"
    )
    (line,) = story_of([event], labels={})
    assert (line.who, line.said) == ("Buyer", "reported the result: sent")
