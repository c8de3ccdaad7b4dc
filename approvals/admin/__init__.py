"""People, roles, policies and keys: pages that look and translate."""

from approvals.admin import keys, people, policies, roles

__all__ = ["keys", "people", "policies", "roles"]
