"""People, roles and keys: pages that look and translate."""

from approvals.admin import keys, people, roles

__all__ = ["keys", "people", "roles"]
