"""What the scheduler starts is harmless to repeat, and one bad row never stops the rest."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as configured

from audit.clock import shifted
from audit.models import Seal
from reviews import tasks
from reviews.models import Ticket
from reviews.services.sweeps import sweep_deadlines
from tests.builders import Cast


@pytest.mark.real
def test_a_ticket_nobody_can_conclude_does_not_hold_up_the_others(cast: Cast) -> None:
    tickets = [cast.open(title=f"n {number}") for number in range(6)]
    broken = tickets[2]
    Ticket.objects.filter(pk=broken.pk).update(
        escalation_steps=[["soon", "lead"]], expires_at=broken.expires_at + timedelta(days=30)
    )
    with shifted(timedelta(days=9)):
        sweep_deadlines(batch=4)
        sweep_deadlines(batch=4)
    statuses = {ticket.pk: ticket.status for ticket in Ticket.objects.all()}
    assert statuses.pop(broken.pk) == "pending"
    assert set(statuses.values()) == {"expired"}


@pytest.mark.db
def test_every_task_of_the_schedule_exists_and_may_run_twice(
    cast: Cast, tmp_path: Path, settings: Any
) -> None:
    settings.HITL_DATA_DIR = tmp_path
    named = [row["task"] for row in configured.CELERY_BEAT_SCHEDULE.values()]
    ours = [name for name in named if name.startswith("reviews.")]
    assert len(ours) >= 6
    cast.open()
    for _ in range(2):
        for name in ours:
            getattr(tasks, name.rpartition(".")[2])()
    assert Seal.objects.count() == 1
