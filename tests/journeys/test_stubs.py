"""Stub mode as a developer starts it: a real process, nobody votes, mails go to the console."""

from datetime import datetime, timedelta

import pytest
from hitl_client import HitlClient

from tests import serving
from tests.journeys.driving import Caller, Demo

pytestmark = [pytest.mark.real, pytest.mark.once]

STUBS = {"USE_STUBS": "true", "DEBUG": "true"}
instant = datetime.fromisoformat


def test_a_program_gets_its_answer_within_six_seconds_and_sees_who_gave_it(data_folder):
    done = serving.manage("seed_demo", folder=data_folder, **STUBS)
    assert done.returncode == 0, done.stderr
    demo = Demo.read(data_folder)
    with serving.serving(data_folder, **STUBS) as served:
        with HitlClient(served.url, demo.service_key) as client:
            ticket = client.submit_for_review({"title": "Pay ACME", "payee": "ACME", "total": 900})
            decided = client.wait_for_decision(ticket["id"], timeout=20)
        status = Caller(served.url, demo.service_key).get("/api/v1/status").body
        page = served.get("/admin/login/")[1].decode()
        served.stop()
        log = served.log

    assert ticket["status"] == "pending"
    assert (decided["status"], decided["allowed"]) == ("approved", True)
    assert decided["decision"]["by"] == "stub"
    waited = instant(decided["decision"]["settled_at"]) - instant(ticket["created_at"])
    assert timedelta(seconds=5) <= waited < timedelta(seconds=6), waited
    assert status["stubs"] is True
    assert "Stub mode." in page
    assert "stub: " in log, "the decision is logged"
    assert "Subject: " in log, "mails go to the console"
    assert not (data_folder / "mail").exists()
