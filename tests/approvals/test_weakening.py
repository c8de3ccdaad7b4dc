"""What a new version of a question asks less of, and how lengths and differences are spoken."""

from copy import deepcopy

import pytest

from approvals.presets import PRESETS
from approvals.question import parse_question, render_question
from approvals.spoken import read_length, spoken_fields, spoken_length
from approvals.weakening import weakenings
from audit.differences import differences, word_parts

BASE = deepcopy(PRESETS["approval"]) | {
    "stages": [
        {
            "name": "Check",
            "needs": [{"role": "buyer", "count": 2}, {"role": "legal", "count": 1}],
            "ladder": [{"above": 5000, "role": "director"}],
        },
        {"name": "Release", "needs": [{"role": "lead", "count": "majority"}]},
    ]
}


def weaker(change) -> list[str]:
    after = deepcopy(BASE)
    change(after)
    return weakenings(parse_question(BASE), parse_question(after))


def stage(place: int):
    return lambda question: question["stages"][place]


CHANGES = {
    "buyer asks for 1": lambda q: stage(0)(q)["needs"][0].update(count=1),
    "legal is no longer asked": lambda q: stage(0)(q)["needs"].pop(1),
    "1 step instead of 2": lambda q: q["stages"].pop(),
    "director is asked above 9\u202f000 instead of above 5\u202f000": (
        lambda q: stage(0)(q)["ladder"][0].update(above=9000)
    ),
    "director is no longer asked": lambda q: stage(0)(q).update(ladder=[]),
    "2 rejections instead of 1": lambda q: stage(0)(q).update(rejections=2),
    "3 of lead instead of more than half": lambda q: stage(1)(q)["needs"][0].update(count=3),
    "Nobody answering now lets it go on": lambda q: q["timing"].update(silence="approve"),
    "asked afterwards": lambda q: q["timing"].update(ask="after"),
    "for a longer time: 1 h instead of 5 min": lambda q: q["timing"].update(revocable="PT1H"),
    "for a shorter time": lambda q: q["timing"].update(revocable="PT0S"),
    "“Wave through” now lets it go on": (
        lambda q: q["options"].append({"key": "wave", "label": "Wave through", "effect": "allow"})
    ),
    "“Reject” no longer stops it": (
        lambda q: (q["options"].pop(1), q["timing"].update(silence=None))
    ),
    "needs no reason any more": lambda q: q["options"][1].update(reason="optional"),
}


@pytest.mark.parametrize("said", CHANGES)
def test_each_way_of_asking_less_has_its_sentence(said):
    if said == "buyer asks for 1":
        said_there = "asks for 1 of buyer instead of 2 of buyer"
    else:
        said_there = said
    assert said_there in " ".join(weaker(CHANGES[said]))


STRICTER = (
    lambda q: stage(0)(q)["needs"][0].update(count=3),
    lambda q: stage(0)(q)["needs"].append({"role": "finance", "count": 1}),
    lambda q: q["stages"].insert(0, {"name": "First look", "needs": [{"role": "buyer"}]}),
    lambda q: stage(0)(q)["ladder"][0].update(above=100),
    lambda q: stage(1)(q)["needs"][0].update(count="all"),
    lambda q: q["timing"].update(hold="PT1H"),
    lambda q: q["timing"].update(due="PT1H", expires="PT2H"),
    lambda q: stage(0)(q)["needs"][0].update(people=["ann", "ben"]),
    lambda _q: None,
)


@pytest.mark.parametrize("change", STRICTER)
def test_asking_for_more_or_the_same_weakens_nothing(change):
    assert weaker(change) == []


def test_a_role_that_may_newly_replace_decisions_weakens():
    question = parse_question(BASE)
    said = weakenings(question, question, replacing=(["lead"], ["lead", "buyer"]))
    assert said == ["People of buyer may now replace decisions."]


def test_open_channels_and_less_proof_of_identity_weaken():
    question = parse_question(BASE)
    before = {"channels": ["desk"], "confirm_identity": "always"}
    after = {"channels": ["desk", "mail"], "silence_may_allow": True}
    assert len(weakenings(question, question, safeguards=(before, after))) == 3


@pytest.mark.parametrize(
    ("typed", "iso"),
    [
        ("4 h", "PT4H"),
        ("4h", "PT4H"),
        ("90 min", "PT1H30M"),
        ("1 day 12 hours", "PT36H"),
        ("2 weeks", "P14D"),
        ("PT30M", "PT30M"),
        ("0", "PT0S"),
        ("", None),
    ],
)
def test_lengths_are_typed_as_people_say_them(typed, iso):
    assert read_length(typed) == iso
    if iso is not None:
        assert read_length(spoken_length(iso)) == iso


@pytest.mark.parametrize(
    "typed", ["4", "soon", "4 fortnights", "-1 h", "1e3 s", "9999999 d", "P1Y"]
)
def test_a_length_that_cannot_be_read_is_refused_with_a_sentence(typed):
    with pytest.raises(ValueError, match=r"[A-Z].*\."):
        read_length(typed)


def test_differences_name_the_field_and_the_words():
    after = deepcopy(BASE)
    after["stages"][0]["rejections"] = 2
    fields = [spoken_fields(render_question(parse_question(q))) for q in (BASE, after)]
    (found,) = differences(*fields)
    assert (found.field, found.before, found.after) == (
        "Step 1: rejections that end it", "1", "2"
    )  # fmt: skip
    parts = word_parts("pays 900 to ACME", "pays 700 to ACME")
    assert [(p.kind, p.text) for p in parts] == [
        ("same", "pays "), ("gone", "900"), ("added", "700"), ("same", " to ACME")
    ]  # fmt: skip
