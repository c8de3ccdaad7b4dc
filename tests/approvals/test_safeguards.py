"""How votes are taken: doors, and how surely by whom."""

import pytest

from approvals.presets import PRESETS
from approvals.question import QuestionInvalid, parse_question
from approvals.safeguards import (
    DOORS,
    Safeguards,
    check_silence,
    must_confirm,
    parse_safeguards,
    render_safeguards,
    takes,
    weakened,
)


def test_nothing_said_is_the_safe_default() -> None:
    assert parse_safeguards({}) == Safeguards("high_risk", None, silence_may_allow=False)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"confirm_identity": "always", "channels": ["desk", "cli"], "silence_may_allow": True},
        {"confirm_identity": "never", "channels": None},
    ],
)
def test_reading_what_was_written_changes_nothing(given) -> None:
    found = parse_safeguards(given)
    assert parse_safeguards(render_safeguards(found)) == found


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ([], "/safeguards"),
        ({"surprise": 1}, "/safeguards/surprise"),
        ({"confirm_identity": "sometimes"}, "/safeguards/confirm_identity"),
        ({"channels": []}, "/safeguards/channels"),
        ({"channels": ["fax"]}, "/safeguards/channels/0"),
        ({"channels": "desk"}, "/safeguards/channels"),
        ({"silence_may_allow": "yes"}, "/safeguards/silence_may_allow"),
        ({"silence_may_allow": 1}, "/safeguards/silence_may_allow"),
    ],
)
def test_what_cannot_be_read_is_named(given, pointer) -> None:
    with pytest.raises(QuestionInvalid) as refused:
        parse_safeguards(given)
    assert [error["pointer"] for error in refused.value.errors] == [pointer]


@pytest.mark.parametrize(
    ("doors", "taken"),
    [
        (None, {"web", "mail", "api", "cli", "command", "chat", "slack", "teams", "system"}),
        (("desk",), {"web"}),
        (("desk", "mail"), {"web", "mail"}),
        (("api", "cli"), {"api", "cli", "command"}),
        (("chat",), {"chat", "slack", "teams"}),
    ],
)
def test_which_entrances_a_door_is(doors, taken) -> None:
    entrances = {"web", "mail", "api", "cli", "command", "chat", "slack", "teams", "system"}
    assert {one for one in entrances if takes(Safeguards(channels=doors), one)} == taken


HIGH, LOW = "high", "low"


@pytest.mark.parametrize(
    ("when", "risk", "confirmed", "must"),
    [
        ("never", HIGH, "", False),
        ("high_risk", LOW, "", False),
        ("high_risk", "medium", "", False),
        ("high_risk", HIGH, "", True),
        ("high_risk", HIGH, "token", False),
        ("high_risk", HIGH, "lately", False),
        ("high_risk", HIGH, "now", False),
        ("always", LOW, "", True),
        ("always", LOW, "token", True),
        ("always", HIGH, "token", True),
        ("always", LOW, "lately", False),
        ("always", HIGH, "now", False),
    ],
)
def test_when_somebody_must_confirm_who_they_are(when, risk, confirmed, must) -> None:
    safeguards = Safeguards(confirm_identity=when)
    assert must_confirm(safeguards, risk=risk, confirmed=confirmed) is must


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_of_the_presets_only_post_approval_takes_the_switch(name: str) -> None:
    asked = parse_question(PRESETS[name])
    check_silence(asked, Safeguards(silence_may_allow=True))
    if name == "post-approval":
        with pytest.raises(QuestionInvalid):
            check_silence(asked, Safeguards())
    else:
        check_silence(asked, Safeguards())


@pytest.mark.parametrize(
    ("before", "after", "ways"),
    [
        ({}, {}, 0),
        ({}, {"confirm_identity": "always"}, 0),
        ({}, {"confirm_identity": "never"}, 1),
        ({"channels": ["desk"]}, {}, 1),
        ({"channels": ["desk"]}, {"channels": ["desk", "mail"]}, 1),
        ({"channels": ["desk", "mail"]}, {"channels": ["desk"]}, 0),
        ({}, {"channels": ["desk"]}, 0),
        ({}, {"silence_may_allow": True}, 1),
        ({"silence_may_allow": True}, {}, 0),
        ({"channels": ["desk"]}, {"confirm_identity": "never", "silence_may_allow": True}, 3),
    ],
)
def test_in_what_ways_safeguards_protect_less(before, after, ways) -> None:
    assert len(weakened(before, after)) == ways


def test_every_entrance_is_one_door_only() -> None:
    entrances = [entrance for door in DOORS.values() for entrance in door]
    assert len(entrances) == len(set(entrances))
