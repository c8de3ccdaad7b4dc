"""`manage.py load_checkpoints`: the roles, the queue and the checkpoints that come along."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from approvals.errors import Invalid
from audit.clock import db_now
from audit.context import entering
from reviews.models import Checkpoint
from reviews.ready.rules import TEMPLATES
from reviews.services.ready import load_described, load_ready
from reviews.services.ready_rules import add_templates


class Command(BaseCommand):
    help = "Make the office roles, the general queue and the ready checkpoints where they lack."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--reset",
            action="store_true",
            help="Also bring changed roles and checkpoints back to how they came.",
        )
        parser.add_argument(
            "--rules",
            nargs="+",
            choices=list(TEMPLATES),
            default=[],
            metavar="RULE",
            help=f"Also add ready-made rules to a checkpoint: {', '.join(TEMPLATES)}.",
        )
        parser.add_argument(
            "--file", metavar="FILE", help="Also make the checkpoints a JSON file describes."
        )
        parser.add_argument("--into", metavar="CHECKPOINT", help="The checkpoint they are for.")

    def handle(self, *_args: Any, **options: Any) -> None:
        if bool(options["rules"]) != bool(options["into"]):
            raise CommandError("Name both: --rules legal --into loans.")
        with entering(channel="command"):
            changes = load_ready(reset=options["reset"])
            if options["file"]:
                changes += _described(Path(options["file"]))
            if options["rules"]:
                changes += _add(options["into"], options["rules"])
        for change in changes or ["Everything is there already."]:
            self.stdout.write(change)


def _described(file: Path) -> list[str]:
    try:
        return load_described(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as problem:
        raise CommandError(f"{file} cannot be read: {problem}") from problem
    except Invalid as problem:
        raise CommandError(problem.detail) from problem


def _add(slug: str, names: list[str]) -> list[str]:
    checkpoint = Checkpoint.objects.filter(slug=slug).first()
    if checkpoint is None:
        raise CommandError(f"There is no checkpoint {slug}.")
    added = add_templates(checkpoint=checkpoint, names=names, by=None, now=db_now())
    return [f"Rule “{name}” added to {slug}." for name in added]
