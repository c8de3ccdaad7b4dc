"""`manage.py restored`: after a backup was brought back, before anything else is started."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from approvals.errors import Refusal
from approvals.models import User
from approvals.services.restoring import end_open_access
from audit.context import entering


class Command(BaseCommand):
    help = "After a backup was brought back: end open links, sessions and keys it may not know of."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="Your user name.")
        parser.add_argument(
            "--keep-keys", action="store_true", help="No key was revoked since the backup."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        person = User.objects.filter(username=options["user"]).first()
        if person is None:
            raise CommandError(f"There is nobody called {options['user']}.")
        try:
            with entering(channel="command"):
                ended = end_open_access(by=person, keep_keys=options["keep_keys"])
        except Refusal as refusal:
            raise CommandError(refusal.detail) from refusal
        told = f"{ended.links} links, {ended.sessions} sessions, {ended.keys} keys"
        self.stdout.write(f"Ended {told}.")
        self.stdout.write("Now: `manage.py verify_audit --against` the seals you keep elsewhere.")
