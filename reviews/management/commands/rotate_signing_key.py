"""`manage.py rotate_signing_key`: a new key to sign with; what the old one signed still holds."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit.context import entering
from audit.keys import rotate, signing_key
from audit.signing import SigningKey

KEPT = "signing-key.pem"


class Command(BaseCommand):
    help = (
        "Make a new signing key, publish it beside the present one, and keep it in a file. "
        "Processes sign with it once they are restarted; until then either signature holds."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to",
            metavar="FILE",
            help="Where to keep the new private key; must not exist. Unset: the data folder's own.",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        own = Path(settings.HITL_DATA_DIR) / KEPT
        path = Path(options["to"]) if options["to"] else own
        if options["to"]:
            if path.exists():
                raise CommandError(f"{path} exists; name a file to be made.")
        elif not own.exists() or SigningKey.from_pem(own.read_bytes()).kid != signing_key().kid:
            raise CommandError(
                "The present key comes from the environment, so name the next one's file with --to."
            )
        new = SigningKey.generate()
        draft = path.with_name(f".{path.name}.{new.kid[:12]}")
        try:
            with os.fdopen(
                os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb"
            ) as out:
                out.write(new.to_pem())
                out.flush()
                os.fsync(out.fileno())
        except OSError as problem:
            raise CommandError(f"{path} cannot be written: {problem.strerror}.") from problem
        # Published before anything can be signed with it; a key nobody uses does no harm.
        try:
            with entering(channel="command"):
                rotate(to=new)
        except BaseException:
            draft.unlink()
            raise
        draft.replace(path)
        self.stderr.write(f"Signing key {new.kid} is published and kept in {path}.")
        if options["to"]:
            self.stderr.write(f"Set HITL_SIGNING_KEY_FILE={path} and restart every process.")
        else:
            self.stderr.write("Restart the service to sign with it.")
