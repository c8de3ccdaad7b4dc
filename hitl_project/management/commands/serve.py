"""The one-process mode: web, live updates, worker and scheduler as one command."""

import logging
import os
import signal
import socket
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError

from hitl_project import embedded
from hitl_project.env import stop
from hitl_project.probes import pending_migrations

# Stopping takes at most 5 seconds: so long may open requests, then running tasks, go on.
REQUESTS_MAY_TAKE = 1
TASKS_MAY_TAKE = 3.0


class Command(BaseCommand):
    help = "Serve web, live updates, worker and scheduler from one process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.PORT, help="0 takes a free one")

    def handle(self, *_args: Any, host: str, port: int, **_options: Any) -> None:
        self._refuse_pending_migrations()
        held = embedded.sole_process(settings.HITL_DATA_DIR)
        if held is None:
            stop(
                f"HITL_DATA_DIR {str(settings.HITL_DATA_DIR)!r} is served by another process; "
                "stop that one, or give another folder."
            )
        listener = _listen(host, port)
        port = listener.getsockname()[1]
        address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        if not settings.BASE_URL_GIVEN:
            # The port is known only now; links in mails and receipts must lead here.
            settings.BASE_URL = address
            settings.CSRF_TRUSTED_ORIGINS = [address]

        # Servers end by raising the signal again, as if it came late. By then all is done.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        from hitl_project.asgi import application

        server = uvicorn.Server(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                ws_max_size=65_536,
                timeout_graceful_shutdown=REQUESTS_MAY_TAKE,
            )
        )
        embedded.start_threads()
        self.stdout.write(f"Serving {address} (stop with Ctrl+C)")
        self.stdout.flush()
        try:
            server.run(sockets=[listener])
        except KeyboardInterrupt:
            pass
        finally:
            ended = embedded.stop_threads(TASKS_MAY_TAKE)
            held.close()
        if not ended:
            # A task hangs in a call to the outside. Its row is still unfinished in the database
            # and is taken up again at the next start; waiting here would only delay that.
            logging.shutdown()
            os._exit(0)

    @staticmethod
    def _refuse_pending_migrations() -> None:
        try:
            pending = pending_migrations()
        except DatabaseError as fault:
            stop(f"DATABASE_URL names a database that does not answer: {str(fault).strip()}")
        if pending:
            stop(f"The database needs {len(pending)} migrations; run `manage.py migrate` first.")


def _listen(host: str, port: int) -> socket.socket:
    """Return a bound socket, or end the process with a sentence that names the way out."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as fault:
        reason = fault.strerror if isinstance(fault, OSError) else str(fault)
        stop(f"PORT {port} on {host} cannot be used ({reason}); give another with PORT=.")
