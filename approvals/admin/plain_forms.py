"""What forms about things that services make have in common."""

import json
from typing import Any

from django import forms

from approvals.errors import Refusal


class IndentedJSONField(forms.JSONField):
    """Show JSON in a form people can read."""

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def report(form: forms.Form, refusal: Refusal) -> None:
    """Put a refusal's errors beside their fields, the rest above the form."""
    for error in refusal.errors:
        name = error.get("pointer", "").lstrip("/").split("/")[0]
        form.add_error(name if name in form.fields else None, error.get("message", ""))
    if not refusal.errors:
        form.add_error(None, refusal.detail)
