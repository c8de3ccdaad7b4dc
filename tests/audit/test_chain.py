from dataclasses import astuple
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.chain import (
    GENESIS,
    HASHED_FIELDS,
    commit_field,
    event_hash,
    instant,
    verify_stream,
)

SALT = "00ff" * 8
NOON = datetime(2026, 1, 2, 12, 0, 0, 7, tzinfo=UTC)


def chained(count, stream="ticket:1"):
    events, previous = [], GENESIS
    for seq in range(1, count + 1):
        personal = {"actor_label": f"Ada {seq}", "reason": "", "mail": "ada@example.org"}
        salts = {"actor_label": SALT, "mail": SALT}
        event = {
            "id": f"00000000-0000-7000-8000-{seq:012}",
            "stream": stream,
            "seq": seq,
            "type": "ticket.opened",
            "actor_id": "7",
            "actor_kind": "human",
            "at": instant(NOON + timedelta(seconds=seq)),
            "channel": "api",
            "data": {"amount": 10.5, "n": seq},
            "field_commitments": {name: commit_field(SALT, personal[name]) for name in salts},
            "previous_hash": previous,
            "personal": personal,
            "salts": salts,
        }
        event["hash"] = previous = event_hash(event)
        events.append(event)
    return events


def found(events, **kw):
    return {(problem.seq, problem.kind) for problem in verify_stream(events, **kw)}


def test_an_instant_is_utc_with_microseconds():
    assert instant(NOON) == "2026-01-02T12:00:00.000007Z"
    berlin = timezone(timedelta(hours=1))
    assert instant(datetime(2026, 1, 2, 13, tzinfo=berlin)) == "2026-01-02T12:00:00.000000Z"


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        instant(datetime(2026, 1, 2))  # noqa: DTZ001


def test_a_commitment_depends_on_salt_and_value():
    one = commit_field(SALT, "Ada")
    assert one == commit_field(SALT, "Ada")
    assert one != commit_field("11" * 16, "Ada")
    assert one != commit_field(SALT, "ada")
    assert one != commit_field(SALT, ["Ada"])


def test_the_hash_covers_exactly_the_listed_fields():
    event = chained(1)[0]
    assert event_hash({**event, "personal": {}, "anything": 1}) == event["hash"]
    for name in HASHED_FIELDS:
        assert event_hash({**event, name: "other"}) != event["hash"]
        with pytest.raises(KeyError):
            event_hash({key: value for key, value in event.items() if key != name})


def test_a_datetime_hashes_like_its_text():
    event = chained(1)[0]
    assert event_hash({**event, "at": NOON + timedelta(seconds=1)}) == event["hash"]


def test_the_hash_is_that_of_this_text_for_ever():
    event = {
        "id": "e",
        "stream": "ticket:1",
        "seq": 1,
        "type": "ticket.opened",
        "actor_id": "7",
        "actor_kind": "human",
        "at": NOON,
        "channel": "api",
        "data": {"b": 1.0, "a": None},
        "field_commitments": {},
        "previous_hash": "00",
    }
    text = (
        '{"actor_id":"7","actor_kind":"human","at":"2026-01-02T12:00:00.000007Z","channel":"api",'
        '"data":{"a":null,"b":1},"field_commitments":{},"id":"e","previous_hash":"00","seq":1,'
        '"stream":"ticket:1","type":"ticket.opened"}'
    )
    assert event_hash(event) == sha256(text.encode()).hexdigest()


def test_an_untouched_stream_has_no_problems():
    events = chained(5)
    assert verify_stream(events) == []
    assert verify_stream([]) == []
    assert verify_stream(events, heads={"ticket:1": (5, events[-1]["hash"])}) == []


def test_several_streams_may_be_mixed():
    mixed = [e for pair in zip(chained(3, "a"), chained(3, "b"), strict=True) for e in pair]
    assert verify_stream(mixed) == []


@pytest.mark.parametrize("seq", [1, 2, 4])
def test_a_missing_event_is_a_gap(seq):
    events = [event for event in chained(5) if event["seq"] != seq]
    assert (seq + 1, "gap") in found(events)


def test_a_cut_off_end_is_found_by_the_head():
    events = chained(5)
    head = {"ticket:1": (5, events[-1]["hash"])}
    assert found(events[:-1]) == set()
    assert found(events[:-1], heads=head) == {(5, "gap")}
    assert found([], heads=head) == {(5, "gap")}


def test_a_rebuilt_chain_is_found_by_an_older_head():
    rebuilt = chained(5)
    previous = GENESIS
    for event in rebuilt:
        event["data"] = {"amount": 1}
        event["previous_hash"] = previous
        event["hash"] = previous = event_hash(event)
    assert found(rebuilt) == set()
    assert found(rebuilt, heads={"ticket:1": (5, chained(5)[-1]["hash"])}) == {(5, "hash")}


def test_more_events_than_the_head_knows_are_found():
    events = chained(5)
    assert found(events, heads={"ticket:1": (4, events[3]["hash"])}) == {(5, "fork")}


def test_two_events_with_one_number_are_a_fork():
    events = chained(3)
    twin = {**events[1], "id": "other"}
    twin["hash"] = event_hash(twin)
    assert found([events[0], events[1], twin, events[2]]) == {(2, "fork")}


def test_a_swapped_pair_is_found():
    events = chained(4)
    assert found([events[0], events[2], events[1], events[3]])


def test_an_event_after_another_than_it_names_is_found():
    events = chained(3)
    events[1]["previous_hash"] = "a" * 64
    events[1]["hash"] = event_hash(events[1])
    assert found(events) == {(2, "previous"), (3, "previous")}


@given(st.integers(0, 3), st.sampled_from([*HASHED_FIELDS, "hash", "personal", "salts"]))
def test_a_change_in_any_column_of_any_event_is_found(at, column):
    events = chained(4)
    value = events[at][column]
    if column in ("personal", "salts"):
        events[at][column] = {**value, "mail": "66" * 16}
    elif isinstance(value, int):
        events[at][column] = value ^ 1
    elif isinstance(value, dict):
        events[at][column] = {**value, "extra": 1}
    else:
        events[at][column] = value[:-1] + chr(ord(value[-1]) ^ 1)
    heads = {"ticket:1": (4, chained(4)[3]["hash"])}
    assert found(events, heads=heads)


def test_an_erased_value_is_no_problem():
    events = chained(3)
    events[0]["personal"] = {}
    events[0]["salts"] = {}
    events[1]["personal"] = {"actor_label": "", "reason": "", "mail": None}
    events[1]["salts"] = {}
    del events[2]["personal"]
    assert verify_stream(events) == []


@pytest.mark.parametrize(
    "change",
    [
        {"personal": {"mail": "eve@example.org"}},
        {"personal": {"reason": "never committed to"}},
        {"salts": {}},
        {"salts": {"actor_label": "zz", "mail": "zz"}},
        {"salts": {"actor_label": 5, "mail": None}},
        {"salts": {"actor_label": SALT, "mail": SALT, "other": SALT}},
        {"personal": {"mail": "\ud800"}},
    ],
)
def test_a_personal_value_that_does_not_match_its_commitment_is_found(change):
    events = chained(2)
    events[1] = {**events[1], **change}
    kinds = {problem.kind for problem in verify_stream(events)}
    assert kinds == {"commitment"}


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"stream": "s", "seq": None},
        {"stream": "s", "seq": 1},
        {**chained(1)[0], "data": float("nan")},
        {**chained(1)[0], "personal": 5, "salts": [], "field_commitments": None},
        {**chained(1)[0], "at": datetime(2026, 1, 1)},  # noqa: DTZ001
    ],
)
def test_a_broken_row_is_a_problem_and_never_an_exception(event):
    problems = verify_stream([event])
    assert problems
    assert all(isinstance(field, str | int) for p in problems for field in astuple(p))
    assert all(problem.sentence.endswith(".") for problem in problems)
