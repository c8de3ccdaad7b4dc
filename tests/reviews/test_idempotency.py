"""A repeated call is done once and answered twice."""

import threading

import pytest
from django.db import connection

from approvals.errors import IdempotencyKeyReused, NotEligible
from reviews.models import IdempotentCall, Ticket
from reviews.services.idempotency import Reply, once
from tests.builders import make_service_key
from tests.stories import refused


def opening(story, ran: list[int] | None = None):
    def do() -> Reply:
        if ran is not None:
            ran.append(1)
        ticket = story.open()
        return Reply(201, {"id": str(ticket.pk)}, {"ETag": '"1"'})

    return do


def call(story, do, *, key: str = "k-1", fingerprint: str = "f-1", caller=None):
    return once(caller=caller or story.machine, key=key, fingerprint=fingerprint, do=do)


@pytest.mark.db
class TestOnce:
    def test_the_second_call_gets_the_first_answer(self, story):
        ran: list[int] = []
        first, replayed = call(story, opening(story, ran))
        again, replayed_again = call(story, opening(story, ran))

        assert (replayed, replayed_again) == (False, True)
        assert (again.status, again.body, again.headers) == (
            first.status,
            first.body,
            first.headers,
        )
        assert len(ran) == Ticket.objects.count() == 1

    def test_the_same_key_for_another_body_is_refused(self, story):
        call(story, opening(story))
        with refused(IdempotencyKeyReused):
            call(story, opening(story), fingerprint="f-2")
        assert Ticket.objects.count() == 1

    def test_keys_belong_to_their_callers(self, story):
        other, _ = make_service_key(story.lena, name="other")
        call(story, opening(story))
        _, replayed = call(story, opening(story), caller=other.user)

        assert not replayed
        assert Ticket.objects.count() == 2

    def test_other_keys_are_other_calls(self, story):
        call(story, opening(story))
        call(story, opening(story), key="k-2")

        assert Ticket.objects.count() == 2

    def test_a_refused_call_may_be_made_again(self, story):
        def refuse() -> Reply:
            raise NotEligible

        with refused(NotEligible):
            call(story, refuse)
        assert not IdempotentCall.objects.exists()
        _, replayed = call(story, opening(story))
        assert not replayed

    def test_what_a_broken_call_had_begun_is_undone_with_it(self, story):
        def break_down() -> Reply:
            story.open()
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            call(story, break_down)
        assert not IdempotentCall.objects.exists()
        assert not Ticket.objects.exists()


@pytest.mark.real
def test_parallel_twins_open_one_ticket_and_get_one_answer(transactional_db, request):
    story = request.getfixturevalue("story")
    start, answers, problems = threading.Barrier(6), [], []

    def twin() -> None:
        try:
            start.wait(10)
            answers.append(call(story, opening(story)))
        except Exception as problem:
            problems.append(problem)
        finally:
            connection.close()

    twins = [threading.Thread(target=twin) for _ in range(6)]
    for thread in twins:
        thread.start()
    for thread in twins:
        thread.join(30)

    assert problems == []
    assert {str(reply.body) for reply, _ in answers} == {str(answers[0][0].body)}
    assert sorted(replayed for _, replayed in answers) == [False] + [True] * 5
    assert Ticket.objects.count() == 1
