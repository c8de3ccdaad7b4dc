"""Nothing inside is ever reached, however an address is written."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpcore2
import pytest

from reviews import outbound
from reviews.addresses import is_public
from reviews.outbound import Client, Unreachable, why_refused


class Canary:
    """A listener on every address of this machine that notes who knocks, and answers as told."""

    def __init__(self, answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n", drip: float = 0) -> None:
        self.answer, self.drip = answer, drip
        self.knocks: list[bytes] = []
        self._socket = socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self.knocks.append(b"")
            here = len(self.knocks) - 1
            connection.settimeout(5)
            try:
                self.knocks[here] = connection.recv(65536)
                while self.knocks[here].startswith(b"POST") and not whole(self.knocks[here]):
                    self.knocks[here] += connection.recv(65536)
                for at in range(len(self.answer)) if self.drip else ():
                    connection.sendall(self.answer[at : at + 1])
                    time.sleep(self.drip)
                if not self.drip:
                    connection.sendall(self.answer)
            except OSError:
                return

    def close(self) -> None:
        self._socket.close()


def whole(request: bytes) -> bool:
    """Return whether a request came in with all of its body."""
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


@pytest.fixture
def canary() -> Iterator[Canary]:
    listener = Canary()
    yield listener
    listener.close()


# Each reaches this machine, or another inside, for a client that does not look closely.
INSIDE_HOSTS = [
    *("127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "0.0.0.0", "0", "localhost"),
    *(
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "0x7f.1",
        "127.0.0.1.",
    ),
    *("LOCALHOST", "localhost.", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]"),
    *("[2002:7f00:1::]", "[2002:7f00:0001::1]", "[2001:0:7f00:1::]", "[2001:0:53aa:64c::]"),
    *("[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd12:3456::1]", "[ff02::1]", "[2001:db8::1]"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.254", "192.168.0.1", "192.168.1.1"),
    *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.127.255.254", "100.100.100.200"),
    *("192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "192.88.99.1"),
    *("224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "168.63.129.16"),
    *("2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:a9fe:a9fe]", "167772161"),
    *("[64:ff9b:1::1]", "[100::1]", "[5f00::1]", "[::ffff:0:127.0.0.1]", "1.0.0.127.in-addr"),
]
FORMS = ["http://{host}:{port}/", "https://{host}:{port}/", "https://{host}/", "http://{host}/"]


def test_no_url_with_an_inside_address_reaches_anything(canary: Canary) -> None:
    urls = [form.format(host=host, port=canary.port) for host in INSIDE_HOSTS for form in FORMS]
    assert len(urls) >= 200
    answered = []
    with Client(total_seconds=2) as client:
        for url in urls:
            try:
                answered.append((url, client.post(url, body=b"{}", headers={})))
            except Unreachable:
                pass
    assert answered == []
    assert canary.knocks == []


def knocks_through_a_name(canary: Canary, monkeypatch: pytest.MonkeyPatch) -> int:
    """Lead a harmless name to every inside address on the canary's port; count who arrived."""
    monkeypatch.setattr(outbound, "PORTS", frozenset({canary.port}))
    for host in INSIDE_HOSTS:
        literal = host.strip("[]").replace("%25", "%")

        def resolve(_name: str, port: int, literal: str = literal) -> list[str]:
            return outbound.system_resolve(literal, port)

        url = f"https://harmless.example:{canary.port}/"
        client = Client(resolve=resolve, network=OnlyThisMachine(), total_seconds=2)
        with client, pytest.raises(Unreachable):
            client.post(url, body=b"{}", headers={})
    return len(canary.knocks)


def test_no_name_that_leads_to_an_inside_address_reaches_it(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert knocks_through_a_name(canary, monkeypatch) == 0


def test_without_the_check_the_same_names_reach_the_inside(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The negative control: the canary would have noticed.
    monkeypatch.setattr(outbound, "is_public", lambda _address: True)
    assert knocks_through_a_name(canary, monkeypatch) >= 10


class OnlyThisMachine(httpcore2.SyncBackend):
    """Dials this machine and nothing beyond it, so that a test never leaves it."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    def connect_tcp(self, host: str, *args: Any, **more: Any) -> httpcore2.NetworkStream:
        self.dialled.append(host)
        if not (host.startswith(("127.", "0.", "::ffff:127.")) or host in {"::1", "::"}):
            raise httpcore2.ConnectError("beyond this machine")
        return super().connect_tcp(host, *args, **more)


def test_a_name_that_changes_its_address_is_dialled_only_where_it_was_checked(
    canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbound, "PORTS", frozenset({canary.port}))
    asked = []

    def rebinding(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["93.184.215.14"] if len(asked) % 2 else ["127.0.0.1"]

    network = OnlyThisMachine()
    with Client(resolve=rebinding, network=network, total_seconds=2) as client:
        for _ in range(10):
            with pytest.raises(Unreachable):
                client.post(f"https://rebinding.example:{canary.port}/", body=b"{}", headers={})
    assert len(asked) == 10  # one look each: nothing is resolved again between check and dial
    assert network.dialled == ["93.184.215.14"] * 5
    assert canary.knocks == []


def test_one_inside_address_among_public_ones_refuses_them_all(canary: Canary) -> None:
    network = OnlyThisMachine()
    with (
        Client(resolve=lambda *_: ["93.184.215.14", "127.0.0.1"], network=network) as client,
        pytest.raises(Unreachable, match="not a public one"),
    ):
        client.post("https://mixed.example/", body=b"{}", headers={})
    assert network.dialled == []


@pytest.fixture
def listed(settings: Any) -> None:
    """Let this machine be called by its number, as an operator might."""
    settings.HITL_OUTBOUND_ALLOWED = (("127.0.0.1", "*"),)


def test_an_address_the_operator_lists_is_reached(canary: Canary, settings: Any) -> None:
    settings.HITL_OUTBOUND_ALLOWED = (("127.0.0.1", str(canary.port)),)
    with Client() as client:
        url = f"http://127.0.0.1:{canary.port}/hook?a=1"
        assert client.post(url, body=b'{"a":1}', headers={"X-Test": "1"}) == 204
        with pytest.raises(Unreachable):
            client.post(f"http://localhost:{canary.port}/", body=b"{}", headers={})
        with pytest.raises(Unreachable):
            client.post("http://127.0.0.1:1/", body=b"{}", headers={})
    assert len(canary.knocks) == 1
    assert canary.knocks[0].startswith(b"POST /hook?a=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{canary.port}\r\n".encode() in canary.knocks[0]
    assert canary.knocks[0].endswith(b'{"a":1}')


@pytest.mark.usefixtures("listed")
def test_a_redirect_is_an_answer_and_nothing_more(canary: Canary) -> None:
    there = f"http://127.0.0.1:{canary.port}/".encode()
    moved = Canary(b"HTTP/1.1 302 Found\r\nLocation: " + there + b"\r\nContent-Length: 0\r\n\r\n")
    assert answer_of(moved) == 302
    assert canary.knocks == []


def answer_of(listener: Canary, *, total_seconds: float = 3) -> int:
    """Return the status this listener answers with, or raise what became of the call."""
    try:
        with Client(total_seconds=total_seconds) as client:
            return client.post(f"http://127.0.0.1:{listener.port}/", body=b"{}", headers={})
    finally:
        listener.close()


@pytest.mark.usefixtures("listed")
def test_an_answer_that_drips_ends_at_the_deadline() -> None:
    slow = Canary(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", drip=0.05)
    began = time.monotonic()
    with pytest.raises(Unreachable) as raised:
        answer_of(slow, total_seconds=0.4)
    assert raised.value.slow
    assert time.monotonic() - began < 1.5


@pytest.mark.usefixtures("listed")
def test_an_endless_answer_is_not_read_to_its_end() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 900000000\r\n\r\n"
    assert answer_of(Canary(head + b"x" * 60_000)) == 200


@pytest.mark.usefixtures("listed")
def test_an_answer_that_is_no_http_is_a_failure_that_quotes_nothing() -> None:
    with pytest.raises(Unreachable) as raised:
        answer_of(Canary(b"SSH-2.0-secret-banner\r\n"))
    assert "banner" not in raised.value.sentence


@pytest.mark.parametrize(
    "url, word",
    [
        ("ftp://example.com/", "https"),
        ("file:///etc/passwd", "https"),
        ("gopher://example.com/", "https"),
        ("javascript:alert(1)", "https"),
        ("//example.com/", "https"),
        ("example.com", "https"),
        ("", "https"),
        ("https://", "https"),
        ("https://user:pass@example.com/", "user name"),
        ("https://example.com@127.0.0.1/", "user name"),
        ("https://example.com:22/", "ports"),
        ("https://example.com:6379/", "ports"),
        ("http://example.com/", "http"),
        ("https://127.0.0.1/", "public"),
        ("https://[::1]/", "public"),
        ("https://exa mple.com/", "web address"),
        ("https://example.com:99999/", "ports"),
        ("https://\x00example.com/", "web address"),
    ],
)
def test_an_address_that_may_never_be_called_says_why(url: str, word: str) -> None:
    assert word in why_refused(url)


@pytest.mark.parametrize(
    "url",
    ["https://example.com/hook", "https://example.com:443/", "https://example.com:80/x?y=1#z"],
)
def test_a_public_https_address_may_be_called(url: str) -> None:
    assert why_refused(url) == ""


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700::1111", "2a00:1450::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("text", ["", "example.com", "::1%lo", "1.2.3", "999.1.1.1"])
def test_what_is_no_address_is_not_public(text: str) -> None:
    assert not is_public(text)
