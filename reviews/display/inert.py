"""Untrusted text as the desk shows it; every room below the desk shows it the same way."""

from audit.inert import has_hidden, hidden, plain, visible

__all__ = ["has_hidden", "hidden", "plain", "visible"]
