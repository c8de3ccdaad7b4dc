"""Remarks on a ticket."""

from uuid import UUID

from approvals.answers import check_text
from approvals.errors import Invalid
from approvals.models import User
from reviews.models import Comment
from reviews.services.seats import check_person
from reviews.services.turns import turn_at


def add_comment(*, ticket_id: UUID, author: User, text: str) -> Comment:
    """Leave a remark on a ticket; it moves nothing, and stands beside decided ones as well.

    :raises Refusal: MachineCannotVote, Invalid, SchemaMismatch, NotVisible, Busy.
    """
    check_person(author, "comment")
    check_text(text, at="/text")
    if not text.strip():
        raise Invalid.at("/text", "Write something.")
    with turn_at(ticket_id=ticket_id, actor=author) as turn:
        comment = Comment.objects.create(ticket=turn.ticket, author=author, text=text, at=turn.now)
        turn.story.add(
            "ticket.commented", data={"comment": str(comment.pk)}, personal={"text": text}
        )
    return comment
