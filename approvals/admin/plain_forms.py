"""What forms about things that services make have in common."""

from django import forms

from approvals.errors import Refusal


def report(form: forms.Form, refusal: Refusal) -> None:
    """Put a refusal's errors beside their fields, the rest above the form."""
    for error in refusal.errors:
        name = error.get("pointer", "").lstrip("/").split("/")[0]
        form.add_error(name if name in form.fields else None, error.get("message", ""))
    if not refusal.errors:
        form.add_error(None, refusal.detail)
