"""The desk and its settings: pages that look and translate."""

from reviews.admin import checkpoints, deliveries, policies, queues, tickets

__all__ = ["checkpoints", "deliveries", "policies", "queues", "tickets"]
