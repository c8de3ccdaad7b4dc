"""The reader's edges: the last value that is taken, the first that is not, and what is said."""

from __future__ import annotations

import math
from copy import deepcopy
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from approvals.durations import LONGEST
from approvals.options import read_options
from approvals.question import QuestionInvalid, parse_question
from approvals.reading import DEEPEST, GREATEST, LARGEST, Reader, step
from approvals.stages import read_need, read_stage
from approvals.timing import read_repeat, read_timing

Json = dict[str, Any]
QUESTION: Json = {
    "options": [{"key": "approve", "effect": "allow"}, {"key": "reject", "effect": "deny"}],
    "stages": [{"needs": [{"role": "reviewer"}]}],
}


def told(read: Any, *given: Any, **more: Any) -> tuple[Any, list[tuple[str, str]]]:
    """Return what a method of a new reader returns, and what it notes."""
    reader = Reader()
    value = getattr(reader, read)(*given, **more) if isinstance(read, str) else read(reader, *given)
    return value, [(error["pointer"], error["message"]) for error in reader.errors]


def refused(read: Any, *given: Any, **more: Any) -> list[tuple[str, str]]:
    return told(read, *given, **more)[1]


MISSING = "This is missing."
NO_TEXT = "This must be text."


def longest(most: int) -> str:
    return f"At most {most} characters are possible here."


def between(least: int, most: int) -> str:
    return f"Between {least} and {most} items are possible here."


def whole(least: int, most: int) -> str:
    return f"This must be a whole number from {least} to {most}."


def lasting(least: str, most: str) -> str:
    return f"This must last from {least} to {most}."


def test_errors_are_joined_into_one_sentence_each_with_its_place() -> None:
    reader = Reader()
    reader.finish()
    reader.refuse("", "All of it.")
    reader.refuse("/a", "This part.")
    with pytest.raises(QuestionInvalid) as caught:
        reader.finish()
    assert str(caught.value) == "/: All of it.; /a: This part."
    assert caught.value.errors == [
        {"pointer": "", "message": "All of it."},
        {"pointer": "/a", "message": "This part."},
    ]


def test_a_pointer_can_always_be_sent_and_is_never_long() -> None:
    reader = Reader()
    reader.refuse("/\ud800" + "x" * 500, "No.")
    assert reader.errors[0]["pointer"] == "/\\ud800" + "x" * (400 - 7)
    assert step("/a", "b~c/d") == "/a/b~0c~1d"
    assert step("", 3) == "/3"


def test_an_object_has_known_keys_and_the_required_ones() -> None:
    known, required = ("a", "b"), ("a",)
    assert told("mapping", {"a": 1}, "/x", known, required) == ({"a": 1}, [])
    assert told("mapping", [], "/x", known) == ({}, [("/x", "This must be an object.")])
    assert refused("mapping", {"c": 1}, "/x", known, required) == [
        ("/x/c", "Unknown; known here: a, b."),
        ("/x/a", MISSING),
    ]


def test_a_list_has_as_many_rows_as_it_may() -> None:
    sentence = between(1, 2)
    assert told("rows", (1, 2), "/x", least=1, most=2) == ([1, 2], [])
    assert told("rows", [1, 2, 3], "/x", least=1, most=2) == ([1, 2], [("/x", sentence)])
    assert told("rows", [], "/x", least=1, most=2) == ([], [("/x", sentence)])
    assert told("rows", [], "/x", most=2) == ([], [])
    assert told("rows", "ab", "/x", most=2) == ([], [("/x", "This must be a list.")])


@pytest.mark.parametrize(
    "value, sentence",
    [
        (1, NO_TEXT),
        ("", "This must have letters, and no spaces around them."),
        (" a", "This must have letters, and no spaces around them."),
        ("a ", "This must have letters, and no spaces around them."),
        ("abcd", longest(3)),
        ("a\u202e", "Control characters are not possible here."),
        ("a\nb", "Control characters are not possible here."),
        ("a\ud800", "Control characters are not possible here."),
        ("a\u2028b", "Control characters are not possible here."),
        ("a\u2029b", "Control characters are not possible here."),
    ],
)
def test_text_that_is_none_for_people_is_refused(value: Any, sentence: str) -> None:
    assert told("text", value, "/x", most=3) == ("", [("/x", sentence)])


def test_text_may_be_as_long_as_it_may() -> None:
    assert told("text", "a b", "/x", most=3) == ("a b", [])
    assert told("key", "abc", "/x", most=3) == ("abc", [])


def test_every_character_of_a_key_is_seen() -> None:
    sentence = "Every character of a key must be visible."
    assert told("key", "a\u200bb", "/x", most=9) == ("", [("/x", sentence)])
    assert len(refused("key", "", "/x", most=9)) == 1


def test_a_choice_is_one_of_the_possible_words() -> None:
    assert told("choice", "a", "/x", ("a", "b")) == ("a", [])
    for other in ("c", 1, None, ["a"]):
        assert told("choice", other, "/x", ("a", "b")) == ("", [("/x", "Use one of a, b.")])


@pytest.mark.parametrize("value", [1, 2, 5])
def test_a_whole_number_within_its_bounds_is_taken(value: int) -> None:
    assert told("integer", value, "/x", least=1, most=5) == (value, [])


@pytest.mark.parametrize("value", [0, 6, True, 2.0, "2", None])
def test_any_other_is_refused_and_stands_for_the_least(value: Any) -> None:
    sentence = whole(1, 5)
    assert told("integer", value, "/x", least=1, most=5) == (1, [("/x", sentence)])


@pytest.mark.parametrize(
    "value, number",
    [
        (0.3, "0.3"),
        (2.0, "2"),
        (-7, "-7"),
        (GREATEST, str(GREATEST)),
        (-GREATEST, str(-GREATEST)),
        (float(GREATEST), str(GREATEST)),
        (Decimal("0.30"), "0.3"),
        (1e15, "1000000000000000"),
    ],
)
def test_a_number_is_the_decimal_its_notation_shows(value: Any, number: str) -> None:
    found, errors = told("number", value, "/x")
    assert (str(found), errors) == (number, [])


@pytest.mark.parametrize(
    "value", [GREATEST + 1, math.nan, math.inf, True, "1", None, Decimal("NaN"), Decimal("1e30")]
)
def test_what_is_no_plain_number_is_refused_and_stands_for_zero(value: Any) -> None:
    found, errors = told("number", value, "/x")
    assert (found, errors) == (Decimal(0), [("/x", f"This must be a number within ±{GREATEST}.")])


def test_a_length_of_time_stays_within_its_bounds() -> None:
    least, most = timedelta(seconds=1), timedelta(seconds=9)
    sentence = lasting("PT1S", "PT9S")
    for text in ("PT1S", "PT9S"):
        assert refused("duration", text, "/x", least=least, most=most) == []
    for text in ("PT0S", "PT10S"):
        found = told("duration", text, "/x", least=least, most=most)
        assert found == (least, [("/x", sentence)])
    assert told("duration", "P3650D", "/x") == (LONGEST, [])
    for odd in ("tomorrow", "", 5, None):
        value, [(pointer, message)] = told("duration", odd, "/x", least=least, most=most)
        assert (value, pointer) == (least, "/x")
        assert message.startswith("Write a length of time")


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_carried_json_is_small_and_shallow() -> None:
    assert told("small_json", nested(DEEPEST), "/x") == (nested(DEEPEST), [])
    value, [(pointer, message)] = told("small_json", nested(DEEPEST + 1), "/x")
    assert (value, message) == ({}, "This is nested too deeply.")
    assert pointer == "/x" + "/0" * DEEPEST
    # Eight bytes stand around the letters, and ü takes two.
    fits = {"a": "x" * (LARGEST - 8)}
    assert told("small_json", fits, "/x") == (fits, [])
    sentence = f"This has at most {LARGEST} bytes."
    for large in ({"a": "x" * (LARGEST - 7)}, {"a": "x" * (LARGEST - 9) + "ü"}):
        assert told("small_json", large, "/x") == ({}, [("/x", sentence)])


@pytest.mark.parametrize(
    "value, pointer, sentence",
    [
        ({"a": "\0"}, "/x/a", "NUL and half characters are not text."),
        ({"a": ["\ud800"]}, "/x/a/0", "NUL and half characters are not text."),
        ({"a": "\udfff"}, "/x/a", "NUL and half characters are not text."),
        ({1: "b"}, "/x/1", "A name must be text."),
        ({"a\0": 1}, "/x/a\0", "NUL and half characters are not text."),
        ({"a": GREATEST + 1}, "/x/a", "Another program could not read this number exactly."),
        ({"a": -GREATEST - 1}, "/x/a", "Another program could not read this number exactly."),
        ({"a": 1e300}, "/x/a", "Another program could not read this number exactly."),
        ({"a": math.inf}, "/x/a", "Another program could not read this number exactly."),
        ({"a": {1, 2}}, "/x/a", "This is not a JSON value."),
        ({"a": b"x"}, "/x/a", "This is not a JSON value."),
    ],
)
def test_what_json_cannot_carry_is_refused_where_it_stands(
    value: Any, pointer: str, sentence: str
) -> None:
    assert told("small_json", value, "/x") == ({}, [(pointer, sentence)])


def test_carried_json_is_a_copy_in_plain_lists_and_objects() -> None:
    given = {"a": (1, 2.5, True, None, "ü", "\uffff"), "b": {"c": GREATEST, "d": -GREATEST}}
    value, errors = told("small_json", given, "/x")
    assert (value, errors) == ({**given, "a": [1, 2.5, True, None, "ü", "\uffff"]}, [])
    assert value["b"] is not given["b"]


# Options, stages and times, each at its last value and one beyond.


KEYS = "Unknown; known here: key, label, effect, reason, form, carries."
TIMES = "Unknown; known here: ask, due, escalate, expires, silence, hold, revocable."
NEVER = "Silence cannot mean an option that never counts."


def option(**more: Any) -> Json:
    return {"key": "yes", "effect": "allow", **more}


@pytest.mark.parametrize(
    "rows, errors",
    [
        ([option(key="k" * 80)], []),
        ([option(key="k" * 81)], [("/o/0/key", longest(80))]),
        ([option(label="l" * 200)], []),
        ([option(label="l" * 201)], [("/o/0/label", longest(200))]),
        ([option(carries=[])], [("/o/0/carries", "This must be an object.")]),
        ([option(form="other")], [("/o/0/form", "Use one of edit-proposal.")]),
        ([option(form="edit-proposal")], []),
        ([option(reason="maybe")], [("/o/0/reason", "Use one of optional, required.")]),
        (
            [option(effect="x")],
            [("/o/0/effect", "Use one of allow, deny, return, answer, none.")],
        ),
        ([option(), option(key="YES")], [("/o/1/key", "Another option has this key.")]),
        ([{"effect": "allow"}], [("/o/0/key", MISSING)]),
        ([{"key": "yes"}], [("/o/0/effect", MISSING)]),
        ([option(more=1)], [("/o/0/more", KEYS)]),
        ([option(key=f"k{n}") for n in range(50)], []),
        (
            [option(key=f"k{n}") for n in range(51)],
            [("/o", between(0, 50))],
        ),
    ],
)
def test_the_edges_of_an_option(rows: list[Json], errors: list[tuple[str, str]]) -> None:
    assert refused(read_options, rows, "/o") == errors


def test_an_option_is_called_by_its_key_unless_it_says_otherwise() -> None:
    (plain,) = told(read_options, [option(key="ask_again")], "/o")[0]
    assert (plain.label, plain.reason, plain.form, plain.carries) == (
        "Ask again", "optional", None, {},
    )  # fmt: skip
    # A key nobody may use still leaves something to show beside the error.
    broken, errors = told(read_options, [option(key="")], "/o")
    assert (broken[0].key, broken[0].label) == ("", "-")
    assert [pointer for pointer, _ in errors] == ["/o/0/key"]


def need(**more: Any) -> Json:
    return {"role": "reviewer", **more}


@pytest.mark.parametrize(
    "given, errors",
    [
        (need(people=[2**53 - 1]), []),
        (need(people=[2**53]), [("/n/people/0", whole(1, 2**53 - 1))]),
        (need(people=["u" * 150]), []),
        (need(people=["u" * 151]), [("/n/people/0", longest(150))]),
        (need(people=[f"u{n}" for n in range(200)]), []),
        (need(people=[f"u{n}" for n in range(201)]), [("/n/people", between(0, 200))]),
        (need(people=["a", "a"]), [("/n/people/1", "This person is named twice.")]),
        (need(count="most"), [("/n/count", "Use a number, majority or all.")]),
        (need(count=100_000), []),
        (need(count=100_001), [("/n/count", whole(1, 100000))]),
        (need(role="r" * 150), []),
        (need(role="r" * 151), [("/n/role", longest(150))]),
        ({}, [("/n/role", MISSING)]),
    ],
)
def test_the_edges_of_a_need(given: Json, errors: list[tuple[str, str]]) -> None:
    assert refused(read_need, given, "/n") == errors


def rung(**more: Any) -> Json:
    return {"above": 1, "role": "boss", **more}


@pytest.mark.parametrize(
    "given, errors",
    [
        ({"needs": []}, [("/stages/0/needs", between(1, 10))]),
        ({"needs": [need()] * 10}, []),
        ({"needs": [need()] * 11}, [("/stages/0/needs", between(1, 10))]),
        ({"needs": [need()] * 9, "ladder": [rung()]}, []),
        ({"needs": [need()] * 10, "ladder": [rung()]}, [("/stages/0/needs", between(1, 9))]),
        ({"needs": [need()], "ladder": [rung()] * 20}, []),
        ({"needs": [need()], "ladder": [rung()] * 21}, [("/stages/0/ladder", between(0, 20))]),
        ({"needs": [need()], "ladder": 1}, [("/stages/0/ladder", "This must be a list.")]),
        ({"needs": [need()], "ladder": [1]}, [("/stages/0/ladder/0", "This must be an object.")]),
        ({"needs": [need()], "ladder": [{"above": 1}]}, [("/stages/0/ladder/0/role", MISSING)]),
        (
            {"needs": [need()], "ladder": [{"role": "boss"}]},
            [("/stages/0/ladder/0/above", MISSING)],
        ),
        ({"needs": [need()], "ladder": [rung(role=1)]}, [("/stages/0/ladder/0/role", NO_TEXT)]),
        ({"needs": [need()], "name": "n" * 80}, []),
        ({"needs": [need()], "name": "n" * 81}, [("/stages/0/name", longest(80))]),
        (
            {"needs": [need()], "rejections": "few"},
            [("/stages/0/rejections", "Use a number, majority or all.")],
        ),
        ({"needs": 5}, [("/stages/0/needs", "This must be a list.")]),
        ({}, [("/stages/0/needs", MISSING), ("/stages/0/needs", between(1, 10))]),
    ],
)
def test_the_edges_of_a_stage(given: Json, errors: list[tuple[str, str]]) -> None:
    assert refused(read_stage, given, "/stages/0") == errors


def test_what_is_refused_in_a_stage_stands_for_little() -> None:
    broken = told(read_need, need(count="most"), "/n")[0]
    assert broken.count == 1
    stage = told(read_stage, {"needs": [need()], "ladder": [{}]}, "/stages/2")[0]
    assert (stage.name, stage.ladder[0].above, stage.ladder[0].role) == ("Stage 3", 0, "-")


def test_a_question_without_stages_is_told_once_what_is_missing() -> None:
    with pytest.raises(QuestionInvalid) as caught:
        parse_question({"options": QUESTION["options"]})
    assert [(e["pointer"], e["message"]) for e in caught.value.errors] == [
        ("/stages", MISSING),
        ("/stages", between(1, 10)),
    ]
    many = deepcopy(QUESTION) | {"stages": QUESTION["stages"] * 10}
    assert len(parse_question(many).stages) == 10


def escalation(**more: Any) -> Json:
    return {"after": "PT1S", "role": "lead", **more}


EFFECTS = {"approve": "allow", "pass": "none"}


@pytest.mark.parametrize(
    "given, errors",
    [
        ({"escalate": [escalation()] * 10}, []),
        ({"escalate": [escalation()] * 11}, [("/timing/escalate", between(0, 10))]),
        (
            {"escalate": [escalation(after="PT0S")]},
            [("/timing/escalate/0/after", lasting("PT1S", "P3650D"))],
        ),
        ({"escalate": [{"role": "lead"}]}, [("/timing/escalate/0/after", MISSING)]),
        ({"escalate": [{"after": "PT1S"}]}, [("/timing/escalate/0/role", MISSING)]),
        ({"escalate": [escalation(role=1)]}, [("/timing/escalate/0/role", NO_TEXT)]),
        ({"silence": "pass"}, [("/timing/silence", NEVER)]),
        ({"silence": "else"}, [("/timing/silence", "Use one of approve, pass.")]),
        ({"hold": "P30D", "revocable": "P30D"}, []),
        ({"hold": "P31D"}, [("/timing/hold", lasting("PT0S", "P30D"))]),
        ({"revocable": "P31D"}, [("/timing/revocable", lasting("PT0S", "P30D"))]),
        ({"due": "PT1S", "expires": "PT1S"}, []),
        ({"due": "PT0S"}, [("/timing/due", lasting("PT1S", "P3650D"))]),
        ({"expires": "PT0S"}, [("/timing/expires", lasting("PT1S", "P3650D"))]),
        ({"ask": "never"}, [("/timing/ask", "Use one of before, after.")]),
        ({"when": 1}, [("/timing/when", TIMES)]),
    ],
)
def test_the_edges_of_the_times(given: Json, errors: list[tuple[str, str]]) -> None:
    assert refused(read_timing, given, EFFECTS) == errors


@pytest.mark.parametrize(
    "given, errors",
    [
        ({"rounds": 100, "steps": [1, 2, 10**9]}, []),
        ({"rounds": 101}, [("/repeat/rounds", whole(1, 100))]),
        ({"rounds": 0}, [("/repeat/rounds", whole(1, 100))]),
        ({"steps": [10**9 + 1]}, [("/repeat/steps/0", whole(1, 1000000000))]),
        ({"steps": [5, 5]}, [("/repeat/steps/1", whole(6, 1000000000))]),
        ({"steps": list(range(1, 21))}, []),
        ({"steps": list(range(1, 22))}, [("/repeat/steps", between(0, 20))]),
        ({"again": 1}, [("/repeat/again", "Unknown; known here: rounds, steps.")]),
        (5, [("/repeat", "This must be an object.")]),
    ],
)
def test_the_edges_of_repetition(given: Any, errors: list[tuple[str, str]]) -> None:
    assert refused(read_repeat, given) == errors
