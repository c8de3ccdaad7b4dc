"""`manage.py load_checkpoints`: the roles, the queue and the checkpoints that come along."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from audit.context import entering
from reviews.services.ready import load_ready


class Command(BaseCommand):
    help = "Make the office roles, the general queue and the ready checkpoints where they lack."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reset",
            action="store_true",
            help="Also bring changed roles and checkpoints back to how they came.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        with entering(channel="command"):
            changes = load_ready(reset=options["reset"])
        for change in changes or ["Everything is there already."]:
            self.stdout.write(change)
