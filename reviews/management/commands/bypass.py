"""`manage.py bypass`: start an emergency bypass on the machine itself, as a person."""

import getpass
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from approvals.confirmation import asks_for
from approvals.models import User
from reviews.management.commanded import commanded, person_called
from reviews.services.bypasses import people_told, start_bypass

_PROMPTS = {"password": "Password of {user}: ", "code": "Code {user}'s authenticator shows: "}


class Command(BaseCommand):
    help = "Let what people would be asked pass for a time. Asks who you are, tells who must know."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="Your user name.")
        parser.add_argument("--duration", required=True, help="30m, 1h or PT1H; at most 4h.")
        parser.add_argument("--reason", required=True, help="At least 10 characters.")
        parser.add_argument(
            "--checkpoint",
            action="append",
            default=[],
            metavar="SLUG",
            help="Only there; may be given again. Unset: everywhere.",
        )
        parser.add_argument("--incident", default="", help="The number of the incident.")

    def handle(self, *_args: Any, **options: Any) -> None:
        person = person_called(options["user"])
        proof = {} if person.is_machine else _proof(person)
        with commanded():
            bypass = start_bypass(
                by=person,
                reason=options["reason"],
                duration=options["duration"],
                checkpoints=options["checkpoint"],
                incident=options["incident"],
                **proof,
            )
        told = ", ".join(one.label for one in people_told()) if settings.MAIL_NOTICES else ""
        scope = ", ".join(bypass.scope) or "everything"
        page = settings.BASE_URL + reverse("admin:approvals_bypass_changelist")
        self.stdout.write(f"BYPASS ACTIVE until {bypass.ends_at:%Y-%m-%d %H:%M} UTC")
        self.stdout.write(f"  passes  {scope}")
        self.stdout.write(f"  told    {told or 'nobody by mail'}")
        self.stdout.write(f"  review  {page}")


def _proof(person: User) -> dict[str, str]:
    needs = asks_for(person)
    try:
        return {needs: getpass.getpass(_PROMPTS[needs].format(user=person.get_username()))}
    except EOFError:
        raise CommandError("A bypass is confirmed on a terminal, and there is none.") from None
