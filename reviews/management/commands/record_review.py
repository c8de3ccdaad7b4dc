"""`manage.py record_review`: say on the record that somebody looked at a role or the audit."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import Group
from django.core.management.base import BaseCommand, CommandError

from reviews.management.commanded import commanded, person_called
from reviews.services.upkeep import review_audit, review_role


class Command(BaseCommand):
    help = "Record that you reviewed who is in a role, or the audit trail."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user", required=True, help="Your user name.")
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--role", help="The role you looked at.")
        what.add_argument("--audit", action="store_true", help="You looked through the audit.")

    def handle(self, *_args: Any, **options: Any) -> None:
        person = person_called(options["user"])
        role = Group.objects.filter(name=options["role"]).first()
        if role is None and not options["audit"]:
            raise CommandError(f"There is no role {options['role']}.")
        with commanded():
            if role is None:
                review_audit(by=person)
            else:
                review_role(role=role, by=person)
        self.stdout.write(f"{person.label} reviewed {role or 'the audit trail'}.")
