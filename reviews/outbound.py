"""The only HTTP client: it reaches public addresses over HTTPS, and what the operator lists.

A requester or a manager chooses where we send, so every address is checked and then exactly that
address is dialled: a name that resolves differently a moment later changes nothing. Redirects are
not followed, cookies and proxies do not exist here, and nobody is shown what was answered.

Plain http would show proposals to everybody on the way, and ports other than 443 and 80 belong to
services that never asked for us; both, and private addresses, are only for the hosts in
`HITL_OUTBOUND_ALLOWED` (`host:port` or `host:*`). DEBUG changes nothing about it.
"""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

import httpcore2
import httpx2
from django.conf import settings

from reviews.addresses import is_public

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
# Nothing of an answer is used but its status; a little is read so that a connection can be reused.
LARGEST_ANSWER = 16 * 1024
PORTS = frozenset({80, 443})

# A host as it goes into a header and to the resolver: a name in ASCII, or an address.
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]*:[0-9a-z:.%_-]*")

# Where a name may be dialled: numeric addresses, in the order to try them.
Resolve = Callable[[str, int], list[str]]


class Unreachable(Exception):
    """Why nothing could be sent, in a short sentence that quotes nothing the other side said.

    `forbidden`: the URL itself may not be called, so trying again is no use. `slow`: it took all
    the time there was, which others were waiting for.
    """

    def __init__(self, sentence: str, *, forbidden: bool = False, slow: bool = False) -> None:
        super().__init__(sentence)
        self.sentence, self.forbidden, self.slow = sentence, forbidden, slow


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart; `listed` says that the operator allowed its host and port."""

    scheme: bytes
    host: str
    port: int
    path: bytes
    listed: bool


def target_of(url: str) -> Target:
    """Return the parts of a URL that may be called; no name is resolved.

    :raises Unreachable: forbidden, with a sentence for whoever wrote the URL.
    """
    try:
        parsed = httpx2.URL(url)
        host = parsed.raw_host.decode("ascii").lower().rstrip(".")
        port = parsed.port or {"https": 443, "http": 80}.get(parsed.scheme, 0)
    except (httpx2.InvalidURL, ValueError, TypeError):
        raise Unreachable("This is not a web address.", forbidden=True) from None
    if parsed.scheme not in ("https", "http") or not host:
        raise Unreachable("Give an address that begins with https://.", forbidden=True)
    if not _HOST.fullmatch(host):
        raise Unreachable("This is not a web address.", forbidden=True)
    if parsed.userinfo:
        raise Unreachable("An address carries no user name or password.", forbidden=True)
    listed = is_listed(host, port)
    if not listed and parsed.scheme != "https":
        raise Unreachable(
            "Plain http is only for hosts the operator lists in HITL_OUTBOUND_ALLOWED.",
            forbidden=True,
        )
    if not listed and port not in PORTS:
        raise Unreachable("Only the ports 443 and 80 are called.", forbidden=True)
    numeric = _numeric(host)
    if not listed and numeric and not is_public(numeric):
        raise Unreachable("This address is not a public one.", forbidden=True)
    return Target(parsed.scheme.encode(), host, port, parsed.raw_path, listed)


def why_refused(url: str) -> str:
    """Return why a URL may not be called, as far as the URL itself tells; else an empty text."""
    try:
        target_of(url)
    except Unreachable as problem:
        return problem.sentence
    return ""


def is_listed(host: str, port: int) -> bool:
    """Return whether the operator allowed this host at this port."""
    return any(
        (allowed.strip("[]"), at) in ((host, str(port)), (host, "*"))
        for allowed, at in settings.HITL_OUTBOUND_ALLOWED
    )


def _numeric(host: str) -> str:
    """Return the address a host is written as, in whatever notation; empty for a name."""
    try:
        found = socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return ""
    return str(found[0][4][0])


def system_resolve(host: str, port: int) -> list[str]:
    """Return the numeric addresses of a name, as the system's resolver gives them.

    :raises OSError: when there are none.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Client:
    """Sends requests, several at a time from several threads; close it when done."""

    def __init__(
        self,
        *,
        resolve: Resolve = system_resolve,
        network: httpcore2.NetworkBackend | None = None,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._total = total_seconds
        self._pool = httpcore2.ConnectionPool(
            ssl_context=httpx2.create_ssl_context(),
            network_backend=_CheckedNetwork(resolve, network or httpcore2.SyncBackend()),
            max_connections=64,
            max_keepalive_connections=16,
            keepalive_expiry=5,
            http2=False,
            retries=0,
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every connection."""
        self._pool.close()

    def post(self, url: str, *, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a body and return the status of the answer.

        :raises Unreachable: when the URL may not be called or nothing came back in time.
        """
        target = target_of(url)
        deadline = time.monotonic() + self._total
        _call.deadline, _call.listed = deadline, target.listed
        host = f"[{target.host}]" if ":" in target.host else target.host
        default = 443 if target.scheme == b"https" else 80
        named = host if target.port == default else f"{host}:{target.port}"
        request = httpcore2.Request(
            "POST",
            httpcore2.URL(
                scheme=target.scheme,
                host=target.host.encode("ascii"),
                port=target.port,
                target=target.path,
            ),
            headers=list({"Host": named, "Content-Length": str(len(body)), **headers}.items()),
            content=body,
            extensions={
                "timeout": {
                    "connect": CONNECT_SECONDS,
                    "read": self._total,
                    "write": self._total,
                    "pool": self._total,
                }
            },
        )
        try:
            response = self._pool.handle_request(request)
            try:
                _skim(response)
            finally:
                response.close()
        except Unreachable:
            raise
        except httpcore2.TimeoutException:
            raise Unreachable("No answer came in time.", slow=True) from None
        except httpcore2.ConnectError as problem:
            raise Unreachable(_connect_sentence(problem)) from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError):
            raise Unreachable("The connection ended without a proper answer.") from None
        return int(response.status)


class _Call(threading.local):
    """What the network below must know about the call its thread is making."""

    deadline: float = 0.0
    listed: bool = False


_call = _Call()


class _CheckedNetwork(httpcore2.NetworkBackend):
    """Dials only addresses it has itself resolved and checked, until the call's deadline."""

    def __init__(self, resolve: Resolve, network: httpcore2.NetworkBackend) -> None:
        self._resolve, self._network = resolve, network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        del local_address
        until = min(_call.deadline, time.monotonic() + (timeout or CONNECT_SECONDS))
        found = self._addresses(host, port, until)
        # One inside address among public ones is a trick, not an accident: dial none of them.
        if not _call.listed and not all(is_public(address) for address in found):
            raise Unreachable("The name leads to an address that is not a public one.")
        problem: Exception = httpcore2.ConnectError("The name has no address.")
        for address in found[:4]:
            left = until - time.monotonic()
            if left <= 0:
                break
            try:
                stream = self._network.connect_tcp(
                    address, port, timeout=left, socket_options=socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                problem = error
                continue
            return _TimedStream(stream)
        raise problem

    def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore2.NetworkStream:
        raise Unreachable("Only the internet is called.", forbidden=True)

    def _addresses(self, host: str, port: int, until: float) -> list[str]:
        """Resolve in a thread of its own: the system's resolver knows no deadline."""
        answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

        def look() -> None:
            try:
                answers.put(self._resolve(host, port))
            except Exception as error:  # whatever the resolver says, the name has no address
                answers.put(error)

        threading.Thread(target=look, name="resolve", daemon=True).start()
        try:
            found = answers.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            raise httpcore2.ConnectTimeout("The name was not resolved in time.") from None
        if isinstance(found, Exception):
            raise Unreachable("The name of the host does not resolve.") from None
        return found


class _TimedStream(httpcore2.NetworkStream):
    """A stream that ends at the call's deadline, however slowly the other side drips."""

    def __init__(self, stream: httpcore2.NetworkStream) -> None:
        self._stream = stream

    def _left(self, kind: type[Exception]) -> float:
        # A connection may be used again by a later call, so the deadline is the thread's.
        left = _call.deadline - time.monotonic()
        if left <= 0:
            raise kind("The time for this call is over.")
        return left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        return self._stream.read(max_bytes, self._left(httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._stream.write(buffer, self._left(httpcore2.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        del timeout
        left = self._left(httpcore2.ConnectTimeout)
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _skim(response: httpcore2.Response) -> None:
    read = 0
    for part in response.iter_stream():
        read += len(part)
        if read > LARGEST_ANSWER:
            return


def _connect_sentence(problem: Exception) -> str:
    cause: BaseException | None = problem
    while cause is not None:
        if "CERTIFICATE" in str(cause).upper():
            return "The certificate does not hold for this host."
        cause = cause.__cause__ or cause.__context__
    return "Nobody answers at this address."
