"""The desk and its settings: pages that look and translate."""

from reviews.admin import (
    audit_pages,
    away,
    bypass,
    calendars,
    checkpoints,
    deliveries,
    keys,
    policies,
    queues,
    roles,
    tickets,
    webhooks,
)

__all__ = [
    "audit_pages",
    "away",
    "bypass",
    "calendars",
    "checkpoints",
    "deliveries",
    "keys",
    "policies",
    "queues",
    "roles",
    "tickets",
    "webhooks",
]
