"""`manage.py verify_audit`: tell whether the audit trail is what was written."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.keys import published_keys
from audit.verification import Report, verify


class Command(BaseCommand):
    help = "Verify every stream and every seal of the audit trail; exit code 1 when one is broken."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stream", help="Only this stream, for example ticket:018f…")
        parser.add_argument(
            "--against", metavar="FILE", help="A seals.jsonl kept outside; shows a trail made anew."
        )
        parser.add_argument(
            "--keys", metavar="FILE", help="A key set (JWKS) with further public keys to believe."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        jwks = [*published_keys(), *_read_keys(options["keys"])]
        if options["against"]:
            try:
                with Path(options["against"]).open(encoding="utf-8") as kept:
                    report = verify(jwks=jwks, kept=kept)
            except (OSError, UnicodeDecodeError) as problem:
                raise CommandError("--against names a file that cannot be read.") from problem
        else:
            report = verify(jwks=jwks, only_stream=options["stream"])
        self._print(report)
        if not report.holds:
            raise SystemExit(1)

    def _print(self, report: Report) -> None:
        for name, count in (
            ("streams", report.streams),
            ("events", report.events),
            ("seals", report.seals),
            ("sealed heads", report.sealed_heads),
            ("kept seals", report.kept_seals),
            ("problems", len(report.findings)),
        ):
            self.stdout.write(f"{name:<14}{count:>10}")
        if report.holds:
            self.stdout.write(self.style.SUCCESS("The audit trail holds."))
            return
        self.stdout.write("")
        width = max(len(finding.where) for finding in report.findings)
        for finding in report.findings:
            self.stdout.write(f"{finding.where:<{width}}  {finding.kind:<11} {finding.sentence}")
        self.stdout.write(self.style.ERROR("The audit trail does not hold."))


def _read_keys(path: str | None) -> list[dict[str, Any]]:
    if path is None:
        return []
    try:
        keys = json.loads(Path(path).read_text(encoding="utf-8"))["keys"]
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise CommandError("--keys names no readable key set.") from problem
    return list(keys)
