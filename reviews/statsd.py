"""Counts and gauges for a StatsD or Datadog agent: one line each, over UDP, fired and forgotten.

Nobody waits for it: the socket does not block, and a line that cannot be sent is lost.
"""

import logging
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from django.conf import settings

log = logging.getLogger(__name__)

# A datagram that is cut on its way is lost as a whole; this passes every network unbroken.
_MOST_BYTES = 1400
# A name server is asked by its own, and not for each line.
_LOOK_UP_AGAIN = 300.0
_ODD = re.compile(r"[^\w.\-/]")


class _Wire:
    """The socket, and where it leads; both are made when the first line leaves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._place: tuple[str, int] | None = None
        self._until = 0.0

    def send(self, place: tuple[str, int], lines: list[bytes]) -> None:
        with self._lock:
            try:
                wire = self._open(place)
                for packet in _packets(lines):
                    wire.send(packet)
            except OSError as problem:  # no agent listens, or no name server knows it
                log.debug("statsd: %s", problem)

    def _open(self, place: tuple[str, int]) -> socket.socket:
        now = time.monotonic()
        if self._socket is None or place != self._place or now >= self._until:
            if self._socket is not None:
                self._socket.close()
                self._socket = None
            self._place, self._until = place, now + _LOOK_UP_AGAIN
            found = socket.getaddrinfo(place[0], place[1], type=socket.SOCK_DGRAM)
            family, kind, protocol, _, address = found[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.setblocking(False)
            self._socket.connect(address)
        return self._socket


_wire = _Wire()


def count(names: Iterable[str]) -> None:
    """Add one to each of these counters, for every time it is named."""
    _send([_line(name, number, "c") for name, number in Counter(names).items()])


def gauge(values: Mapping[str, float], **tags: str) -> None:
    """Set gauges to these values; tags are understood by Datadog's agent."""
    _send([_line(name, value, "g", **tags) for name, value in values.items()])


def _send(lines: list[bytes]) -> None:
    if settings.STATSD_HOST:
        _wire.send(settings.STATSD_HOST, lines)


def _line(name: str, value: float, kind: str, **tags: str) -> bytes:
    told = f"countersign.{_ODD.sub('_', name)}:{value:g}|{kind}"
    if tags:
        told += "|#" + ",".join(f"{key}:{_ODD.sub('_', text)}" for key, text in tags.items())
    return told.encode()


def _packets(lines: list[bytes]) -> Iterable[bytes]:
    packet = b""
    for line in lines:
        if packet and len(packet) + 1 + len(line) > _MOST_BYTES:
            yield packet
            packet = b""
        packet = packet + b"\n" + line if packet else line
    if packet:
        yield packet
