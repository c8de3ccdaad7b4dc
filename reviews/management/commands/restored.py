"""`manage.py restored`: after a backup was brought back, before anything else is started."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from approvals.services.restoring import end_open_access
from reviews.management.commanded import commanded, person_called


class Command(BaseCommand):
    help = "After a backup was brought back: end open links, sessions and keys it may not know of."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="Your user name.")
        parser.add_argument(
            "--keep-keys", action="store_true", help="No key was revoked since the backup."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        person = person_called(options["user"])
        with commanded():
            ended = end_open_access(by=person, keep_keys=options["keep_keys"])
        told = f"{ended.links} links, {ended.sessions} sessions, {ended.keys} keys"
        self.stdout.write(f"Ended {told}.")
        self.stdout.write("Now: `manage.py verify_audit --against` the seals you keep elsewhere.")
