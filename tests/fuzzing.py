"""Call every described address with what its description allows, and with what it does not.

Schemathesis reads the description and calls the running service in a process of its own. It finds
failures of ours, answers the description does not know, accepted nonsense, refused sense, and
addresses that answer without a key.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PHASES = ("examples", "coverage", "fuzzing", "stateful")
LONGEST = 1400.0

# `expected-statuses`: what a schema cannot say is a refusal all the same (a moment that is past,
# a ticket that is decided). No callback leads anywhere: `.invalid` is nobody's.
_SETTINGS = """
warnings = false
continue-on-failure = true
request-timeout = 30

[generation]
database = "none"

[cache]
enabled = false

[phases.stateful]
max-steps = 6

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "412", "422", "428", "429"]

# Of many tickets each is answered for itself: 200 tells which of them were refused, and why.
[[operations]]
include-name = "POST /api/v1/tickets/bulk"

[operations.checks.negative_data_rejection]
expected-statuses = ["200", "4xx"]
"""
# A made-up name finds nothing; most calls shall reach what is behind the 404.
_OFTEN = 0.7
_NOWHERE = {"body.callback_url": ["https://nobody.invalid/hook"],
            "body.url": ["https://nobody.invalid/hook"]}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """What one caller's calls brought to light: a line for each failure, and the whole story."""

    cases: int
    tested: int
    missed: int
    failures: tuple[str, ...]
    told: str


def fuzz(
    url: str,
    token: str,
    *,
    folder: Path,
    seed: int,
    each: int,
    known: Mapping[str, list[str]],
    phases: Iterable[str] = PHASES,
    addresses: str = "",
) -> Found:
    """Call a service as one caller and return what was found.

    :param each: calls per address and phase, more or less.
    :param known: real values for parameters, by their place: `{"path.identifier": ["T-1001"]}`.
    :param addresses: a regular expression; only addresses it finds something in are called.
    """
    settings, report = folder / "schemathesis.toml", folder / "schemathesis.json"
    report.unlink(missing_ok=True)
    settings.write_text(_settings(known))
    command = [sys.executable, "-m", "schemathesis.cli", f"--config-file={settings}", "run"]
    command += [f"{url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {token}"]
    command += ["--seed", str(seed), "--max-examples", str(each), "--phases", ",".join(phases)]
    command += ["--report", "json", "--report-json-path", str(report), "--no-color", "--no-shrink"]
    command += ["--include-path-regex", addresses] if addresses else []
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=LONGEST, check=False
    )
    if not report.exists():
        raise RuntimeError(f"Schemathesis did not run:\n{(done.stdout + done.stderr)[-3000:]}")
    told = json.loads(report.read_text())
    failures = [
        f"{found['title']}: {', '.join(found['operations'])}" for found in told["failures"]
    ] + [f"{error['title']}: {error}" for error in told["errors"]]
    return Found(
        cases=told["test_cases"]["generated"],
        tested=told["operations"]["tested"],
        missed=told["operations"]["selected"] - told["operations"]["tested"],
        failures=tuple(failures),
        told=done.stdout[-20_000:] if failures else "",
    )


def _settings(known: Mapping[str, list[str]]) -> str:
    """Return what Schemathesis reads, as TOML."""
    bound = [(name, values, _OFTEN) for name, values in known.items() if values]
    bound += [(name, values, 1.0) for name, values in _NOWHERE.items()]
    lines = [_SETTINGS, "[parameters]"]
    lines += [
        f'"{name}" = {{ dictionary = "d{place}", probability = {share} }}'
        for place, (name, _, share) in enumerate(bound)
    ]
    for place, (_, values, _) in enumerate(bound):
        lines.append(f"[dictionaries.d{place}]\nvalues = {json.dumps(values)}")
    return "\n".join(lines)


def names_of(get: Callable[[str], Any]) -> dict[str, list[str]]:
    """Return real values for parameters of the interface, as one caller sees them."""
    tickets = [ticket["ref"] for ticket in get("/api/v1/tickets")["data"]]
    return {
        **dict.fromkeys(("path.identifier", "body.id", "body.interaction_id"), tickets),
        "path.slug": ["general"],
        "path.user_id": [get("/api/v1/me")["username"]],
        "query.region": ["region1"],
        "body.choice": ["approve", "reject", "request_changes"],
        "body.decision": ["approve", "veto"],
        "body.person": ["ana"],
        "body.delegate": ["ana"],
    }
