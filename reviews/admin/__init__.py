"""The desk and its settings: pages that look and translate."""

from reviews.admin import (  # noqa: F401  (pages register themselves on import)
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
