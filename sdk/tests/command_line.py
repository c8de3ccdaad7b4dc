"""Run the command line in this process, with its streams as bytes."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from hitl_client.cli.app import run


@dataclass(frozen=True)
class Ended:
    code: int
    raw_out: bytes
    raw_err: bytes

    @property
    def out(self) -> str:
        return self.raw_out.decode()

    @property
    def err(self) -> str:
        return self.raw_err.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.raw_out)


Run = Callable[..., Ended]


def runner(monkeypatch: pytest.MonkeyPatch) -> Run:
    def ran(*arguments: str, stdin: str | bytes = "") -> Ended:
        given = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = io.BytesIO(), io.BytesIO()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given), encoding="utf-8"))
            patched.setattr(sys, "stdout", io.TextIOWrapper(out, encoding="utf-8"))
            patched.setattr(sys, "stderr", io.TextIOWrapper(err, encoding="utf-8"))
            code = run(list(arguments))
            sys.stdout.flush()
            sys.stderr.flush()
            return Ended(code, out.getvalue(), err.getvalue())

    return ran
