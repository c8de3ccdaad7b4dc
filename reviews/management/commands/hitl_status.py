"""`manage.py hitl_status`: say what is misconfigured, and one way to mend each."""

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from reviews.services.status import ERROR, status_findings


class Command(BaseCommand):
    help = "Say what is misconfigured, failing or overdue; exit code 1 when something is an error."
    # It must also speak when the checks would stop it, or the database is away.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON document.")

    def handle(self, *_args: Any, **options: Any) -> None:
        found = status_findings()
        if options["json"]:
            document = {"release": settings.HITL_RELEASE, "findings": found}
            self.stdout.write(json.dumps(document, indent=2))
        else:
            self._print(found)
        if any(one["severity"] == ERROR for one in found):
            raise SystemExit(1)

    def _print(self, found: list[dict[str, Any]]) -> None:
        for one in found:
            wrong = one["severity"] == ERROR
            word = self.style.ERROR("ERROR  ") if wrong else self.style.WARNING("warning")
            where = one["checkpoint"] or one["part"]
            self.stdout.write(f"{word}  {where}: {one['message']}")
            self.stdout.write(f"         → {one['mend']}")
        if not found:
            self.stdout.write(self.style.SUCCESS("Nothing is misconfigured, failing or overdue."))
