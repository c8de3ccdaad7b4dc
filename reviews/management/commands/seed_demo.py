"""`manage.py seed_demo`: people and tickets to try the service with."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.context import entering
from reviews.services.demo import FILE, NotADemo, seed_demo


class Command(BaseCommand):
    help = "Fill in people, keys and tickets to try; run again, it keeps and completes them."

    def handle(self, *_args: Any, **_options: Any) -> None:
        try:
            with entering(channel="command"):
                demo = seed_demo()
        except NotADemo as problem:
            raise CommandError(str(problem)) from problem
        out = self.stdout.write
        out("")
        out(f"  Countersign   {demo.url}/admin/")
        out("")
        out(f"  {'login':<10} {'password':<22} {'roles':<12} regions")
        for person in demo.people:
            roles = ", ".join(person["roles"]) or "none"
            name, password = person["username"], person["password"]
            regions = ", ".join(person["regions"])
            out(f"  {name:<10} {password:<22} {roles:<12} {regions}".rstrip())
        out("")
        out(f"  API key       {demo.service_key}")
        out(f"  Tokens        in {FILE} beside the data, readable by you alone")
        out(f"  Tickets       {demo.opened} opened just now")
        out("")
