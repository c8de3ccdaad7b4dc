"""The web application: HTTP by Django, live updates by Channels."""

import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import django
from channels.routing import ProtocolTypeRouter, URLRouter

Handler = Callable[[int, FrameType | None], Any]

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hitl_project.settings")

# Static files are read in one piece in a thread; they are small and it was measured harmless.
warnings.filterwarnings(
    "ignore", "StreamingHttpResponse must consume", module="django.core.handlers.asgi"
)

NEEDS_REDIS = (
    "REDIS_URL is not set: start the one-process mode with `manage.py serve`, "
    "or set REDIS_URL to run web, worker and beat as processes of their own."
)


def build() -> Any:
    """Return the application."""
    from django.conf import settings

    django.setup(set_prefix=False)  # before the routes and their models are imported
    from hitl_project.handlers import HttpHandler
    from hitl_project.urls import websocket_urlpatterns
    from reviews.live import end_waiting

    async def lifespan(
        _scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Refuse to be started by a server that brings neither worker nor scheduler.

        `manage.py serve` runs without this protocol; uvicorn and gunicorn speak it.
        """
        await receive()
        if settings.EMBEDDED:
            await send({"type": "lifespan.startup.failed", "message": NEEDS_REDIS})
            return
        _on_signals(end_waiting)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    # Who may have a socket, `reviews.sockets.door` says: programs come without an origin.
    websocket = URLRouter(websocket_urlpatterns)
    return ProtocolTypeRouter({"http": HttpHandler(), "websocket": websocket, "lifespan": lifespan})


def _on_signals(do: Callable[[], None]) -> None:
    """Do this as soon as the server is told to stop, before what it does itself."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGINT, signal.SIGTERM):
        servers = signal.getsignal(number)
        if callable(servers):

            def both(number: int, frame: FrameType | None, then: Handler = servers) -> None:
                do()
                then(number, frame)

            signal.signal(number, both)


try:
    application = build()
except SystemExit:
    # uvicorn starts a worker process that failed again and again, unless it says so with a 3.
    if multiprocessing.parent_process() is not None:
        raise SystemExit(3) from None
    raise
