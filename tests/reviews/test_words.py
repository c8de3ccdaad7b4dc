"""What people write: refused where it cannot be stored, whichever door it comes through."""

import pytest

from approvals.errors import Invalid, SchemaMismatch
from approvals.models import Vote
from reviews.models import Comment
from reviews.services.comments import add_comment
from reviews.services.tickets import cancel_ticket, revoke_ticket
from tests.stories import refused

pytestmark = pytest.mark.db

BAD = ["a\x00b", "\ud800", "x" * 4001]


@pytest.mark.parametrize("words", BAD)
def test_a_reason_that_cannot_be_stored_is_refused_and_changes_nothing(story, words):
    ticket = story.open()

    with refused(SchemaMismatch, at="/reason"):
        story.vote(ticket, story.ann, "reject", reason=words)
    with refused(SchemaMismatch, at="/reason"):
        cancel_ticket(ticket_id=ticket.pk, by=story.machine, reason=words)
    with refused(SchemaMismatch, at="/reason"):
        revoke_ticket(ticket_id=ticket.pk, by=story.ann, reason=words)
    assert not Vote.objects.exists()


@pytest.mark.parametrize("words", BAD)
def test_a_remark_that_cannot_be_stored_is_refused(story, words):
    with refused(SchemaMismatch, at="/text"):
        add_comment(ticket_id=story.open().pk, author=story.ann, text=words)
    assert not Comment.objects.exists()


def test_an_empty_remark_is_refused(story):
    with refused(Invalid, at="/text"):
        add_comment(ticket_id=story.open().pk, author=story.ann, text=" \n")
