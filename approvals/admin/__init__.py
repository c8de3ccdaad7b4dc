"""People: pages that look and translate."""

from approvals.admin import people

__all__ = ["people"]
