"""The work: tickets, where they wait, who holds them, and what leaves because of them."""

from reviews.models.assignment import Assignment
from reviews.models.calendar import Calendar
from reviews.models.checkpoint import Checkpoint, Rule
from reviews.models.comment import Comment
from reviews.models.delivery import Delivery, FailedAttempt, WebhookEndpoint
from reviews.models.figures import Counted, DayFigures, ReviewerDay
from reviews.models.idempotency import IdempotentCall
from reviews.models.queue import Lane, Queue, QueueChoice, Region
from reviews.models.skip import Skip
from reviews.models.ticket import Ticket

__all__ = [
    "Assignment",
    "Calendar",
    "Checkpoint",
    "Comment",
    "Counted",
    "DayFigures",
    "Delivery",
    "FailedAttempt",
    "IdempotentCall",
    "Lane",
    "Queue",
    "QueueChoice",
    "Region",
    "ReviewerDay",
    "Rule",
    "Skip",
    "Ticket",
    "WebhookEndpoint",
]
