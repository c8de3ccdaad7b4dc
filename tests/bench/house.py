"""The servers of one run: PostgreSQL that keeps what it wrote, web processes, workers."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from audit.signing import SigningKey
from tests import servers

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0


class Worker:
    """A process with the service's code in it, which calls one function of `jobs` at a time."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.worker"],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def start(self, job: str, **arguments: Any) -> None:
        """Have it begin a job; `result` waits for the end."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([job, arguments]) + "\n")
        self.process.stdin.flush()

    def result(self) -> Any:
        """Return what the job returned.

        :raises RuntimeError: when it failed; its traceback is on standard error.
        """
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("A worker ended in the middle of a job.")
        return json.loads(line)

    def call(self, job: str, **arguments: Any) -> Any:
        """Do a job and return its result."""
        self.start(job, **arguments)
        return self.result()

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        _ended(self.process)


class House:
    """Everything a figure may ask for; each thing is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self._workers: list[Worker] = []
        self._servers: list[servers.Server] = []
        self._crowds: set[str] = set()
        kept = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")
        self._environment = {name: os.environ[name] for name in kept if name in os.environ} | {
            "HITL_DATA_DIR": str(folder),
            "SECRET_KEY": secrets.token_urlsafe(50),
            "HITL_SIGNING_KEY": SigningKey.generate().to_pem().decode(),
            "DJANGO_SETTINGS_MODULE": "tests.bench.settings",
            "DATABASE_POOL_MAX": "24",
            "LOG_LEVEL": "ERROR",
        }

    @cached_property
    def postgresql(self) -> servers.Server:
        """A PostgreSQL that waits for the disk at every commit."""
        self._servers.append(servers.start_postgresql(self.folder, durable=True))
        return self._servers[-1]

    @cached_property
    def redis(self) -> servers.Server:
        self._servers.append(servers.start_redis(self.folder))
        return self._servers[-1]

    @cached_property
    def _template(self) -> str:
        self.query("CREATE DATABASE bench_template")
        self.manage("migrate", "--verbosity", "0", database=self.address("bench_template"))
        return "bench_template"

    def address(self, name: str) -> str:
        """Return the URL of a database of this run."""
        return f"{self.postgresql.url.rpartition('/')[0]}/{name}"

    def query(self, query: str, *, database: str = "postgres") -> None:
        """Run one statement outside a transaction."""
        url = self.address(database).replace("postgres://", "postgresql://")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(query)

    def database(self, name: str, *, template: str = "") -> str:
        """Make a migrated database (or a copy of `template`) and return its address."""
        self.query(f"CREATE DATABASE {name} TEMPLATE {template or self._template}")
        return self.address(name)

    def crowd(self, count: int) -> str:
        """Return a database with this many waiting tickets; made once, others copy it."""
        name = f"crowd_{count}"
        if name not in self._crowds:
            worker = self.worker(self.database(name))
            worker.call("fill", count=count, seed=0.5)
            self._crowds.add(name)
        return self.address(name)

    def environment(self, database: str, **more: str) -> dict[str, str]:
        """Return what a process of the service is given."""
        return self._environment | {"DATABASE_URL": database} | more

    def manage(self, *arguments: str, database: str, **more: str) -> None:
        """Run a management command to its end."""
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env=self.environment(database, **more), check=True)

    def worker(self, database: str, **more: str) -> Worker:
        """Start a worker on a database."""
        self._workers.append(Worker(self.environment(database, **more)))
        return self._workers[-1]

    def web(self, database: str, *, application: str = "hitl_project.asgi", **more: str) -> str:
        """Start one web process under uvicorn and return its address."""
        port = servers.free_port()
        command = [sys.executable, "-m", "uvicorn", f"{application}:application"]
        command += ["--port", str(port), "--log-level", "error", "--no-access-log"]
        given = {"REDIS_URL": self.redis.url} | more
        self._start(command, self.environment(database, **given))
        return self._ready(f"http://127.0.0.1:{port}")

    def serve(self, folder: Path) -> tuple[str, int]:
        """Start the one-process mode in a folder; return its address and process id."""
        port = servers.free_port()
        folder.mkdir()
        environment = self.environment("", HITL_DATA_DIR=str(folder))
        command = [sys.executable, "manage.py"]
        subprocess.run(
            [*command, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True
        )
        process = self._start([*command, "serve", "--port", str(port)], environment)
        return self._ready(f"http://127.0.0.1:{port}"), process.pid

    def program(self, arguments: Sequence[str], database: str, **more: str) -> None:
        """Start a Python program beside the others; it ends when the figure does."""
        self._start([sys.executable, *arguments], self.environment(database, **more))

    def _start(
        self, command: Sequence[str], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        with (self.folder / "processes.log").open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def _ready(self, url: str) -> str:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{url}/healthz", timeout=1).close()
            except urllib.error.HTTPError:
                return url
            except OSError:
                time.sleep(0.1)
            else:
                return url
        log = (self.folder / "processes.log").read_text()[-3000:]
        raise RuntimeError(f"A web process did not start:\n{log}")

    def rest(self) -> None:
        """End what the last figure started, so that the next one has the machine to itself."""
        for worker in self._workers:
            worker.stop()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            _ended(process)
        self._workers.clear()
        self._processes.clear()

    def close(self) -> None:
        """End everything and forget the folder."""
        self.rest()
        while self._servers:
            self._servers.pop().stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def _ended(process: subprocess.Popen[Any]) -> None:
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
