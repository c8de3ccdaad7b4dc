"""What waits follows a queue's weights, also when they change while it waits."""

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from audit.clock import db_now
from reviews.models import Ticket
from reviews.ordering import waiting_page
from reviews.services import queues
from reviews.services.queues import reorder_queue, write_rank
from tests.stories import later

pytestmark = pytest.mark.db


def in_order(person):
    return [ticket.pk for ticket in waiting_page(person, now=db_now()).tickets]


def ranks():
    return {ticket.pk: (ticket.rank_base, ticket.rank_young) for ticket in Ticket.objects.all()}


def test_new_weights_put_what_waits_in_a_new_order(story, monkeypatch):
    monkeypatch.setattr(queues, "_BATCH", 2)
    with later(hours=-20):
        old = [story.open(financial_impact=0.1).pk for _ in range(3)]
    costly = [story.open(financial_impact=0.9).pk for _ in range(2)]
    assert in_order(story.ann) == [*costly, *old]

    story.queue.weights = {"impact": 0.0, "age": 0.9, "confidence": 0.0, "compliance": 0.0}
    story.queue.save()
    assert reorder_queue(queue_id=story.queue.pk) == 5
    assert in_order(story.ann) == [*old, *costly]


def test_a_new_scale_weighs_amounts_anew(story):
    small, large = story.open(amount=9_000), story.open(amount=20_000)
    middle = story.open(amount=15_000)
    assert in_order(story.ann) == [large.pk, middle.pk, small.pk]  # equals in the order they came

    story.queue.impact_scale = 100_000
    story.queue.save()
    reorder_queue(queue_id=story.queue.pk)
    assert in_order(story.ann) == [large.pk, middle.pk, small.pk]
    for ticket in Ticket.objects.all():
        before = (ticket.rank_base, ticket.rank_young)
        write_rank(ticket, story.queue)
        assert (ticket.rank_base, ticket.rank_young) == before


def test_what_is_decided_keeps_the_order_it_had(story):
    decided, waits = story.open(amount=5_000), story.open(amount=5_000)
    story.vote(decided, story.ann, "approve")
    before = ranks()
    story.queue.impact_scale = 100_000
    story.queue.save()

    assert reorder_queue(queue_id=story.queue.pk) == 1
    assert ranks()[decided.pk] == before[decided.pk]
    assert ranks()[waits.pk] != before[waits.pk]


def test_saving_new_weights_on_the_settings_page_reorders(
    story, django_capture_on_commit_callbacks
):
    ticket = story.open(amount=5_000)
    ada = story.ada
    ada.user_permissions.add(*Permission.objects.filter(content_type__model="queue"))
    client = Client()
    client.force_login(ada)
    sent = {
        "name": story.queue.name,
        "roles": [role.pk for role in story.queue.roles.all()],
        "region": "",
        "impact_scale": "50000",
        **{f"weight_{name}": weight for name, weight in story.queue.weights.items()},
    }
    with django_capture_on_commit_callbacks(execute=True):
        answer = client.post(reverse("admin:reviews_queue_change", args=[story.queue.pk]), sent)
    assert answer.status_code == 303, answer.context["form"].errors
    ticket.refresh_from_db()
    assert ticket.rank_base == pytest.approx(0.4 * 0.1 + 0.2)
