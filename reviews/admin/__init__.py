"""The desk and its settings: pages that look and translate."""

from reviews.admin import checkpoints, deliveries, queues, tickets

__all__ = ["checkpoints", "deliveries", "queues", "tickets"]
