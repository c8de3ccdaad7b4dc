"""`manage.py create_api_key`: a key for a machine, or a personal token."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from approvals.models import AccessKey
from approvals.services.keys import create_key
from audit.clock import db_now
from reviews.management.commanded import commanded, person_called


class Command(BaseCommand):
    help = "Make an access key and print it once; only its hash is stored."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--name", required=True, help="What it is for.")
        parser.add_argument("--owner", required=True, help="User name of who answers for it.")
        parser.add_argument(
            "--kind", choices=AccessKey.Kind.values, default=AccessKey.Kind.SERVICE.value
        )
        parser.add_argument(
            "--scopes",
            nargs="+",
            metavar="SCOPE",
            choices=AccessKey.Scope.values,
            help=f"Of: {', '.join(AccessKey.Scope.values)}. Unset: what its kind usually needs.",
        )
        parser.add_argument("--expires-days", type=int, metavar="N", help="Unset: never.")

    def handle(self, *_args: Any, **options: Any) -> None:
        owner = person_called(options["owner"])
        days = options["expires_days"]
        if days is not None and not 0 < days <= 3650:
            raise CommandError("--expires-days is a number from 1 to 3650.")
        if not 0 < len(options["name"]) <= 80:
            raise CommandError("--name has 1 to 80 characters.")
        now = db_now()
        with commanded():
            key, token = create_key(
                name=options["name"],
                kind=options["kind"],
                owner=owner,
                scopes=options["scopes"],
                expires_at=None if days is None else now + timedelta(days=days),
                now=now,
            )
        self.stderr.write(f"{key.get_kind_display()} “{key.name}”, shown only now:")
        self.stdout.write(token)
