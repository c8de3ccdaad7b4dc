"""What the scheduler starts. Every task is harmless to repeat, to skip and to run twice at once."""

from celery import shared_task

from approvals.services import key_use
from audit import sealing
from audit.context import entering
from reviews import alive, exposition
from reviews.services import balance, bypasses, counting, deliveries, sweeps


@shared_task
def sweep_deadlines() -> None:
    """Conclude the tickets and bypasses whose time has come."""
    with entering(channel="system"):
        sweeps.sweep_deadlines()
        bypasses.sweep_bypasses()
        alive.swept()


@shared_task
def share_work() -> None:
    """Give what waits to whoever has least to do, and take it from who cannot decide it."""
    with entering(channel="system"):
        balance.rebalance()
        balance.assign_waiting()


@shared_task
def dispatch_deliveries() -> None:
    """Send what waits to leave."""
    with entering(channel="system"):
        deliveries.dispatch_due()


@shared_task
def flush_key_use() -> None:
    """Store when keys were last used."""
    with entering(channel="system"):
        key_use.flush_key_use()


@shared_task
def seal_chains() -> None:
    """Seal what was told since the last seal."""
    with entering(channel="system"):
        sealing.seal_chains()


@shared_task
def count_figures() -> None:
    """Add what happened since the last count to the figures, and tell a StatsD agent."""
    with entering(channel="system"):
        counting.count_figures()
        exposition.send_gauges()
