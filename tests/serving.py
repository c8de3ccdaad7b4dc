"""The service as people run it: `manage.py serve` in a process and a folder of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0


def environment(folder: Path, **more: str) -> dict[str, str]:
    """Return what such a process is given: nothing of this test run's settings but its folder."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    # Tests ask the same again and again, and wait for the mail each time.
    ours = {"HITL_DATA_DIR": str(folder), "HITL_NOTICES_PER_HOUR": "0", "PYTHONUNBUFFERED": "1"}
    return kept | ours | more


def manage(*arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@dataclass
class Served:
    """A running service."""

    url: str
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """Return what it wrote so far."""
        return (self.folder / "serve.log").read_text()

    def get(self, path: str) -> tuple[int, bytes]:
        """Return status and body of a GET."""
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def stop(self, how: signal.Signals = signal.SIGTERM, within: float = 10.0) -> float:
        """Signal it and return the seconds it took to end."""
        started = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(within)
        return time.monotonic() - started


@contextmanager
def serving(folder: Path, **more: str) -> Iterator[Served]:
    """Yield the service once it is ready; its folder must hold a migrated database."""
    port = free_port()
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port)],
            cwd=ROOT,
            env=environment(folder, **more),
            stdout=log,
            stderr=log,
        )
    served = Served(f"http://127.0.0.1:{port}", folder, process)
    try:
        _await_ready(served)
        yield served
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _await_ready(served: Served) -> None:
    deadline = time.monotonic() + PATIENCE
    last = ""
    while time.monotonic() < deadline and served.process.poll() is None:
        try:
            status, body = served.get("/readyz")
        except OSError:
            time.sleep(0.05)
            continue
        if status == 200:
            return
        last = json.dumps(json.loads(body)["faults"])
        time.sleep(0.05)
    raise RuntimeError(f"The service did not become ready: {last}\n{served.log[-3000:]}")


def await_port(port: int, process: "subprocess.Popen[Any]") -> None:
    """Return once somebody listens on a port of this machine."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("Nobody listens there.")
