"""The one-process mode starts only when it can work, heals itself, and stops when told."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from websockets.sync.client import connect

from hitl_project.embedded import Supervised, sole_process
from tests.serving import ROOT, environment, manage, serving


@pytest.mark.real
@pytest.mark.once
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_within_five_seconds_although_somebody_is_connected(how, data_folder):
    with serving(data_folder) as served:
        port = int(served.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as idle:
            idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(4096).startswith(b"HTTP/1.1 200")
            assert served.stop(how) < 5.0
        assert served.process.returncode == 0
        assert "Traceback" not in served.log


@pytest.mark.real
@pytest.mark.once
def test_it_stops_within_five_seconds_although_sockets_are_open(data_folder):
    known = manage("seed_demo", folder=data_folder, MAIL_NOTICES="false")
    assert known.returncode == 0, known.stderr
    demo = json.loads((data_folder / "demo.json").read_text())
    key = {"Authorization": f"Bearer {demo['service_key']}"}
    with serving(data_folder) as served, ExitStack() as all_open:
        address = served.url.replace("http", "ws") + "/ws/v1/me"
        sockets = [
            all_open.enter_context(connect(address, additional_headers=key)) for _ in range(10)
        ]
        assert json.loads(sockets[0].recv(10))["type"] == "hello"
        told = Request(
            f"{served.url}/api/v1/tickets",
            b'{"title": "Heard at once"}',
            {**key, "Content-Type": "application/json"},
        )
        ticket = json.loads(urlopen(told, timeout=10).read())["id"]
        assert [json.loads(socket.recv(10))["id"] for socket in sockets[:1]] == [ticket]
        assert served.stop() < 5.0
        assert served.process.returncode == 0
        assert "Traceback" not in served.log


@pytest.mark.real
@pytest.mark.once
def test_who_waits_while_it_stops_is_answered_instead_of_failed(data_folder):
    known = manage("seed_demo", folder=data_folder, MAIL_NOTICES="false")
    assert known.returncode == 0, known.stderr
    demo = json.loads((data_folder / "demo.json").read_text())
    key = {"Authorization": f"Bearer {demo['service_key']}"}
    with serving(data_folder) as served, ThreadPoolExecutor(20) as waiters:
        tickets = f"{served.url}/api/v1/tickets"
        asked = Request(tickets, b'{"title": "x"}', {**key, "Content-Type": "application/json"})
        ticket = json.loads(urlopen(asked, timeout=10).read())["id"]
        patient = Request(f"{tickets}/{ticket}", headers={**key, "Prefer": "wait=50"})
        answers = [waiters.submit(_answer, patient) for _ in range(20)]
        # All wait once one more is told at once that it need not.
        _answer(Request(f"{tickets}/{ticket}", headers={**key, "Prefer": "wait=1"}))

        served.stop()

        assert [answer.result(10) for answer in answers] == [(200, "pending")] * 20


def _answer(request):
    try:
        with urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())["status"]
    except HTTPError as refused:
        return refused.code, refused.read()


@pytest.mark.real
@pytest.mark.once
def test_it_answers_what_machines_ask(data_folder):
    with serving(data_folder) as served:
        assert json.loads(served.get("/healthz")[1])["status"] == "up"
        ready = json.loads(served.get("/readyz")[1])
        assert (ready["status"], ready["faults"]) == ("ready", {})
        assert ready["deadlines"]["late_seconds"] < 5
        (key,) = json.loads(served.get("/.well-known/jwks.json")[1])["keys"]
        assert (key["kty"], key["crv"], "d" in key) == ("OKP", "Ed25519", False)
        figures = served.get("/metrics")[1].decode()
        assert 'countersign_embedded_thread_up{thread="worker"} 1.0' in figures
        assert served.get("/static/countersign/palette.css")[0] == 200
        assert "Traceback" not in served.log


@pytest.mark.real
@pytest.mark.once
def test_a_second_one_on_the_same_folder_is_refused(data_folder):
    with serving(data_folder):
        second = manage("serve", "--port", "0", folder=data_folder)
    assert second.returncode == 2
    assert "is served by another process" in second.stderr.splitlines()[-1]


@pytest.mark.real
@pytest.mark.once
def test_a_taken_port_is_refused_in_one_sentence(data_folder):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = manage("serve", folder=data_folder, PORT=port)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith(f"PORT {port} on 127.0.0.1 cannot be used")


@pytest.mark.real
@pytest.mark.once
def test_pending_migrations_are_refused_in_one_sentence(tmp_path):
    ended = manage("serve", "--port", "0", folder=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].endswith("run `manage.py migrate` first.")


@pytest.mark.real
@pytest.mark.once
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_web_server_without_worker_and_redis_is_refused(workers, data_folder):
    ended = subprocess.run(
        [
            *[sys.executable, "-m", "uvicorn", "hitl_project.asgi:application"],
            *["--port", "0", "--workers", workers],
        ],
        cwd=ROOT,
        env=environment(data_folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "REDIS_URL is not set: start the one-process mode with" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_folder_belongs_to_one_process_at_a_time(tmp_path):
    held = sole_process(tmp_path)
    assert held is not None
    assert sole_process(tmp_path) is None
    held.close()
    again = sole_process(tmp_path)
    assert again is not None
    again.close()


def test_what_crashes_is_started_again_and_says_why():
    starts = threading.Semaphore(0)
    released, stopping = threading.Event(), threading.Event()

    def run() -> None:
        starts.release()
        if not released.is_set():
            released.set()
            raise RuntimeError("the broker went away")
        stopping.wait(10)

    kept = Supervised("worker", run=run, halt=stopping.set, pause=0.01)
    kept.start()
    assert starts.acquire(timeout=5)
    assert starts.acquire(timeout=5)
    assert kept.restarts == 1
    assert kept.fault == "RuntimeError: the broker went away"
    kept.stop()
    assert kept.ended(within=5)
    assert not kept.running


def test_what_ends_by_itself_is_started_again_until_it_is_told_to_stop():
    seen: list[float] = []
    enough = threading.Event()

    def run() -> None:
        seen.append(time.monotonic())
        if len(seen) >= 4:
            enough.set()

    kept = Supervised("worker", run=run, halt=lambda: None, pause=0.01)
    kept.start()
    assert enough.wait(5)
    kept.stop()
    assert kept.ended(within=5)
    pauses = [later - earlier for earlier, later in pairwise(seen)]
    assert pauses[2] > pauses[0]
