"""`manage.py simulate`: drive a whole approval against a running service, over HTTP."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from reviews.services.demo import FILE


class Command(BaseCommand):
    help = "Open, claim, vote, wait, prove, cancel and time out against a running service."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", help="Where the service runs. Unset: what the file says.")
        parser.add_argument(
            "--people",
            default=settings.HITL_DATA_DIR / FILE,
            type=Path,
            help="A file in the form of demo.json: url, service_key, people with tokens.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            from hitl_client.simulation import Party, simulate, told
        except ImportError:
            raise CommandError("The client is not installed here: pip install ./sdk") from None
        try:
            party = Party.read(options["people"], url=options["url"])
            steps = simulate(party, say=lambda step: self.stdout.write(told(step)))
        except ValueError as problem:
            raise CommandError(f"{problem}.") from problem
        failed = sum(step.result == "FAIL" for step in steps)
        self.stdout.write(f"{len(steps) - failed} of {len(steps)} steps went well.")
        if failed:
            raise SystemExit(1)
