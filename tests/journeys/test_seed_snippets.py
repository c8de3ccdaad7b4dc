"""Programs written for two earlier designs run; only import, URL, key and region are ours.

Each is a program of its own, in a process of its own, beside a running `manage.py serve`.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import serving
from tests.journeys.driving import Caller, Demo

pytestmark = [pytest.mark.real, pytest.mark.once]

# What an agent of the one design does: submit, and keep what names the ticket.
SUBMITS = """
from hitl_client import HitlClient
agent = HitlClient(core_url="{url}", api_key="{key}")
draft = {{"title": "Open the depot on Sundays", "detail": "From 9 to 13, two people, until May."}}
opened = agent.submit_for_review(draft)
print(opened["id"])
"""
# ... and what it does some time later, in another process: ask, and branch on two members.
ASKS = """
from hitl_client import HitlClient
agent = HitlClient(core_url="{url}", api_key="{key}")
answer = agent.get_decision(ticket_id="{ticket}")
print(answer["status"], "|", answer["comments"])
"""
# What a reviewer's script of the other design does: look at a region, answer the first.
DECIDES = """
from hitl_client import HITLService
desk = HITLService(api_token="{token}", core_url="{url}")
waiting = desk.fetch_pending(region="Region1")
first = waiting[0]["id"]
print(first)
print(desk.submit_override(proposal_id=first, decision="{decision}", comments="{comments}"{more}))
"""
# The same with nothing but a token given; the address comes from the environment.
LOOKS = """
from hitl_client import HITLService
print(len(HITLService(api_token="{token}").fetch_pending(region="Region1")))
"""


@pytest.fixture(scope="module")
def served(
    migrated_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[serving.Served]:
    folder = shutil.copytree(migrated_folder, tmp_path_factory.mktemp("snippets") / "data")
    seeded = serving.manage("seed_demo", folder=folder, MAIL_NOTICES="false")
    assert seeded.returncode == 0, seeded.stderr
    with serving.serving(folder, MAIL_NOTICES="false") as service:
        yield service
        assert "Traceback" not in service.log


@pytest.fixture(scope="module")
def demo(served: serving.Served) -> Demo:
    return Demo.read(served.folder)


@pytest.fixture
def reviewer(served: serving.Served, demo: Demo) -> Caller:
    return Caller(served.url, demo.people["ana"]["token"])


def run(program: str, *, folder: Path, fails: bool = False, **environment: str) -> str:
    """Run a program as its author would; return what it printed, or its last words."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=serving.environment(folder, **environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode != 0) is fails, done.stderr
    return (done.stderr if fails else done.stdout).strip()


@pytest.fixture
def agent(served, demo, tmp_path):
    def run_agent(program: str, **more: str) -> str:
        return run(program.format(url=served.url, key=demo.service_key, **more), folder=tmp_path)

    return run_agent


@pytest.fixture
def script(served, demo, tmp_path):
    def run_script(decision: str, comments: str = "", more: str = "", **given) -> str:
        given = {"who": "ana", "fails": False, **given}
        token = demo.people[given["who"]]["token"]
        program = DECIDES.format(
            url=served.url, token=token, decision=decision, comments=comments, more=more
        )
        return run(program, folder=tmp_path, fails=given["fails"])

    return run_script


@pytest.mark.parametrize(
    "choice, more, printed",
    [
        ("approve", {"reason": "Good idea."}, "approved | Good idea."),
        ("approve", {}, "approved | None"),
        ("reject", {"reason": "Nobody comes."}, "rejected | Nobody comes."),
        (
            "request_changes",
            {"response": {"feedback": "Say who pays."}},
            "needs_changes | Say who pays.",
        ),
    ],
)
def test_an_agent_submits_and_reads_what_a_person_said(agent, reviewer, choice, more, printed):
    ticket = agent(SUBMITS)
    assert agent(ASKS, ticket=ticket) == "pending | None"
    voted = reviewer.vote(ticket, choice, **more)

    assert voted.status == 201, voted.body
    assert agent(ASKS, ticket=ticket) == printed


def test_what_the_agent_sent_is_what_the_person_sees(agent, reviewer):
    read = reviewer.get(f"/hitl/tickets/{agent(SUBMITS)}").body
    assert read["title"] == "Open the depot on Sundays"
    assert read["proposal"] == {
        "title": "Open the depot on Sundays",
        "detail": "From 9 to 13, two people, until May.",
    }
    assert (read["checkpoint"], read["rule"]["then"]) == ("general", "ask")


def opened_in(served, demo, region: str, **proposal) -> str:
    body = {"title": "Visit the sites", "region": region, "proposal": {"sites": 14, **proposal}}
    answer = Caller(served.url, demo.service_key).post("/api/v1/tickets", body)
    assert answer.status == 201, answer.body
    return answer.body["id"]


@pytest.mark.parametrize(
    "decision, comments, more, status",
    [
        ("approve", "Go on.", "", "approved"),
        ("approve", "", "", "approved"),
        ("veto", "Not this quarter.", "", "rejected"),
        ("adjust", "Two are ill.", ", adjustments={'sites': 9}", "approved"),
    ],
)
def test_a_script_looks_at_its_region_and_decides_on_the_first(
    served, demo, script, reviewer, decision, comments, more, status
):
    opened_in(served, demo, "Region1")
    first, answer = script(decision, comments, more).splitlines()
    read = reviewer.get(f"/api/v1/tickets/{first}").body
    events = reviewer.get(f"/api/v1/tickets/{first}/events").body["data"]

    assert json.loads(answer.replace("'", '"')) == {"status": "ok"}
    assert (read["status"], read["comments"]) == (status, comments or None)
    assert read["tally"]["people"][0]["name"] == "ana"
    assert [event["type"] for event in events][-2:] == ["ticket.vote_cast", "ticket.decided"]
    if decision == "adjust":
        assert read["approved"]["sites"] == 9


def test_a_no_without_a_word_is_refused(served, demo, script):
    opened_in(served, demo, "Region1")
    said = script("veto", fails=True)
    assert "reason" in said.splitlines()[-1]


def test_another_region_is_refused(served, demo, script):
    said = script("approve", who="ben", fails=True)
    assert "region" in said.splitlines()[-1]


def test_what_changed_since_it_was_fetched_is_not_decided_unseen(served, demo):
    from hitl_client import HITLService, TicketChanged

    opened_in(served, demo, "Region1")
    with HITLService(demo.people["ana"]["token"], served.url) as desk:
        first = desk.fetch_pending(region="Region1")[0]["id"]
        machine = Caller(served.url, demo.service_key)
        changed = machine.post(f"/api/v1/tickets/{first}/resubmit", {"proposal": {"sites": 99}})
        assert changed.status == 200, changed.body
        with pytest.raises(TicketChanged):
            desk.submit_override(first, "approve", "Fine.")
        desk.fetch_pending(region="Region1")
        assert desk.submit_override(first, "approve", "Fine.") == {"status": "ok"}


def test_a_token_is_enough_where_the_environment_names_the_service(served, demo, tmp_path):
    opened_in(served, demo, "Region1")
    program = LOOKS.format(token=demo.people["ana"]["token"])
    assert int(run(program, folder=tmp_path, HITL_URL=served.url)) >= 1


def test_a_screen_in_the_browser_answers_with_its_session(served, demo, agent):
    ticket = agent(SUBMITS)
    person, browser = demo.people["ana"], Caller(served.url)
    browser.sign_in(person["username"], person["password"])
    waiting = browser.get("/hitl/pending/ana").body
    shown = next(item for item in waiting if item["interaction_id"] == ticket)
    body = {
        "interaction_id": ticket,
        "user_input": {"decision": shown["ui_schema"]["fields"][0]["options"][0]},
        "version": shown["version"],
    }
    answer = browser.post("/hitl/respond", body)

    assert answer.status == 200, answer.body
    assert answer.body["status"] == "accepted"
    state = browser.get(f"/hitl/status/{ticket}").body
    assert state["status"] == "completed"
