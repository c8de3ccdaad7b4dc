"""The desk and its settings: pages that look and translate."""

from reviews.admin import away, checkpoints, deliveries, policies, queues, roles, tickets

__all__ = ["away", "checkpoints", "deliveries", "policies", "queues", "roles", "tickets"]
