"""People and keys: pages that look and translate."""

from approvals.admin import keys, people

__all__ = ["keys", "people"]
