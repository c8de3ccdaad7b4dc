"""The only writer of the trail: linear, committed with its cause, and tampering shows."""

import copy
import threading

import pytest
from django.db import connection, transaction

from audit.chain import GENESIS, verify_stream
from audit.clock import db_now, shifted
from audit.context import entering
from audit.models import AuditEvent, ChainHead
from audit.services import Actor, Draft, record, record_alone, stored_fields
from reviews.services.votes import withdraw_vote

ANN = Actor("7", "human", "Ann")


def chain(stream: str = "system") -> list[dict]:
    return list(stored_fields(AuditEvent.objects.filter(stream=stream).order_by("seq")))


def drafts(count: int, **more) -> list[Draft]:
    return [Draft("system.noted", db_now(), data={"n": n}, **more) for n in range(count)]


@pytest.mark.db
class TestWriting:
    def test_a_stream_begins_at_one_and_grows_by_one(self, db):
        record_alone("system", drafts(1)[0])
        with transaction.atomic():
            record("system", drafts(3))

        assert [event["seq"] for event in chain()] == [1, 2, 3, 4]
        assert chain()[0]["previous_hash"] == GENESIS
        head = ChainHead.objects.get(stream="system")
        assert (head.seq, head.hash) == (4, chain()[-1]["hash"])
        assert verify_stream(chain()) == []

    def test_streams_do_not_touch_each_other(self, db):
        for stream in ("ticket:a", "ticket:b", "ticket:a"):
            record_alone(stream, drafts(1)[0])

        assert len(chain("ticket:a")) == 2
        assert len(chain("ticket:b")) == 1
        assert verify_stream(chain("ticket:a")) == verify_stream(chain("ticket:b")) == []

    def test_nothing_to_say_writes_nothing(self, db):
        record("system", [])
        assert not ChainHead.objects.exists()

    def test_what_is_undone_is_not_told(self, db):
        @transaction.atomic
        def begin_and_fail() -> None:
            record("system", drafts(2))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            begin_and_fail()
        assert not AuditEvent.objects.exists()

    def test_the_entrance_is_noted(self, db):
        with entering(channel="mail"):
            record_alone("system", drafts(1)[0])
        record_alone("system", drafts(1)[0])

        assert [event["channel"] for event in chain()] == ["mail", "system"]

    def test_instants_come_back_as_they_were_hashed(self, db):
        from datetime import timedelta

        for offset in (0.000001, 0.5, 0.999999, 86399):
            with shifted(timedelta(seconds=offset)):
                record_alone("system", drafts(1)[0])

        assert verify_stream(chain()) == []

    @pytest.mark.parametrize(
        "text", ["Zoë ☃ \U0001f600", "a\nb", "</script>", "'; --", "\u202e", ""]
    )
    def test_any_text_can_be_told(self, db, text):
        record_alone(
            "system",
            Draft("x", db_now(), Actor("1", "human", text), reason=text, data={"t": text}),
        )
        assert verify_stream(chain()) == []

    def test_a_personal_value_can_be_erased_and_the_chain_still_holds(self, db):
        record_alone("system", Draft("x", db_now(), ANN, reason="Private.", personal={"p": "Zoë"}))
        (event,) = chain()
        erased = copy.deepcopy(event)
        for name in ("reason", "p", "actor_label"):
            erased["personal"].pop(name)
            erased["salts"].pop(name)

        assert verify_stream([erased]) == []
        erased["personal"]["p"], erased["salts"]["p"] = "Zoe", event["salts"]["p"]
        assert [problem.kind for problem in verify_stream([erased])] == ["commitment"]


@pytest.mark.db
class TestTampering:
    """As somebody with the disk could: the rows are changed, and the story no longer verifies."""

    @pytest.fixture
    def told(self, story) -> list[dict]:
        ticket = story.open(priority="critical")
        story.vote(ticket, story.ann, "approve", reason="Fine.")
        withdraw_vote(ticket_id=ticket.pk, voter=story.ann)
        story.vote(ticket, story.ben, "approve")
        story.vote(ticket, story.cleo, "approve")
        events = chain(ticket.stream)
        assert verify_stream(events) == []
        return events

    @pytest.mark.parametrize(
        "column",
        [
            "id", "stream", "seq", "type", "actor_id", "actor_kind", "at", "channel", "data",
            "field_commitments", "previous_hash", "hash", "personal", "salts",
        ],
    )  # fmt: skip
    def test_any_changed_column_of_any_event_is_found(self, told, column):
        for place, event in enumerate(told):
            if column in {"personal", "salts"} and not event["salts"]:
                continue
            changed = copy.deepcopy(told)
            changed[place][column] = _other(event[column], event["salts"])

            assert verify_stream(changed), (column, event["type"])

    def test_a_missing_event_is_found_wherever_it_stood(self, told):
        for place in range(len(told) - 1):
            assert verify_stream([*told[:place], *told[place + 1 :]])

    def test_events_in_another_order_are_found(self, told):
        assert verify_stream([told[1], told[0], *told[2:]])

    def test_a_shorter_chain_is_betrayed_by_its_head(self, told):
        head = ChainHead.objects.get(stream=told[0]["stream"])

        assert (head.seq, head.hash) == (told[-1]["seq"], told[-1]["hash"])
        assert head.hash != told[-2]["hash"]

    def test_an_event_told_twice_is_found(self, told):
        assert verify_stream([*told, told[-1]])


def _other(value, salts):
    if isinstance(value, int):
        return value + 1
    if isinstance(value, dict):
        name = next(iter(salts), "more")
        text = str(value.get(name, ""))
        return {**value, name: ("0" if text[:1] != "0" else "1") + text[1:] or "x"}
    return ("0" if value[:1] != "0" else "1") + value[1:]


@pytest.mark.real
class TestCommitted:
    def test_a_fact_needs_the_transaction_of_its_cause(self):
        with pytest.raises(RuntimeError):
            record("system", drafts(1))

    def test_many_writers_make_one_chain(self):
        start, problems = threading.Barrier(8), []

        def write() -> None:
            try:
                start.wait(10)
                for _ in range(5):
                    record_alone("system", drafts(1)[0])
            except Exception as problem:
                problems.append(problem)
            finally:
                connection.close()

        writers = [threading.Thread(target=write) for _ in range(8)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(60)

        assert problems == []
        assert len(chain()) == 40
        assert verify_stream(chain()) == []
