"""Put a ticket where those who may see it look."""

from uuid import UUID

from django.db import transaction

from reviews.models import Lane

# Lanes are never deleted on their own, and an id stands for one lane only.
_there: set[UUID] = set()


def put_in_lane(*, queue_id: UUID, policy_id: UUID, region_id: UUID | None) -> UUID:
    """Return the id of the lane for these, which is there when this returns.

    Inside the caller's transaction; of two that make it at once the second waits for the first.
    """
    lane = Lane(
        id=Lane.id_of(queue_id=queue_id, policy_id=policy_id, region_id=region_id),
        queue_id=queue_id,
        policy_id=policy_id,
        region_id=region_id,
    )
    if lane.pk not in _there:
        Lane.objects.bulk_create([lane], ignore_conflicts=True)
        transaction.on_commit(lambda: _there.add(lane.pk))
    return lane.pk
