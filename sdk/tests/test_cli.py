"""Every command, against a real peer: what it sends, what it prints, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Run
from countersign_peer import API_KEY, Reply, end_as, leave, problem
from desk_peer import DeskPeer

import hitl_client

TICKETS = "/api/v1/tickets"


# submit, get


def test_a_bare_proposal_from_a_file_is_submitted(
    desk: DeskPeer, hitl: Run, tmp_path: Path
) -> None:
    file = tmp_path / "proposal.json"
    file.write_text('{"title": "Expand", "detail": "5 to 7"}', encoding="utf-8")
    ended = hitl("submit", str(file))
    assert (ended.code, ended.out) == (0, "T-1  pending\n")
    assert desk.seen[0].body == {
        "checkpoint": "general",
        "title": "Expand",
        "proposal": {"title": "Expand", "detail": "5 to 7"},
    }


def test_a_whole_ticket_from_standard_input_keeps_its_fields(desk: DeskPeer, hitl: Run) -> None:
    ticket = {"checkpoint": "loans", "title": "A", "reference": "r-1", "proposal": {"years": 7}}
    assert hitl("submit", "-", stdin=json.dumps(ticket)).code == 0
    assert desk.seen[0].body == ticket


def test_what_the_command_line_says_wins(desk: DeskPeer, hitl: Run) -> None:
    given = {"checkpoint": "loans", "title": "A", "proposal": {"title": "B"}}
    hitl("submit", "-", "--checkpoint", "other", "--title", "C", stdin=json.dumps(given))
    assert (desk.seen[0].body["checkpoint"], desk.seen[0].body["title"]) == ("other", "C")


@pytest.mark.parametrize("given", ["", "no json", "[1]", "7", b"\xff\xfe", "[" * 99999])
def test_what_is_no_json_object_is_wrong_usage(
    desk: DeskPeer, hitl: Run, given: str | bytes
) -> None:
    ended = hitl("submit", "-", stdin=given)
    assert (ended.code, ended.out) == (2, "")
    assert desk.seen == []


def test_a_file_that_is_not_there_is_wrong_usage(desk: DeskPeer, hitl: Run) -> None:
    assert hitl("submit", "/no/such/file.json").code == 2


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (end_as("approved", True), 0),
        (end_as("answered", True), 0),
        (end_as("rejected"), 1),
        (end_as("expired"), 1),
        (end_as("needs_changes", None), 1),
        (leave, 3),
    ],
)
def test_a_command_that_waited_ends_with_0_only_for_a_yes(
    desk: DeskPeer, hitl: Run, end: Any, code: int
) -> None:
    desk.decide = end
    submitted = hitl("submit", "-", "--wait", "0", "-o", "json", stdin='{"title": "A"}')
    assert submitted.code == code
    got = hitl("get", submitted.json["id"], "--wait", "0", "--output", "json")
    assert (got.code, got.json["id"]) == (code, submitted.json["id"])


def test_wait_stands_with_and_without_a_number(desk: DeskPeer, hitl: Run) -> None:
    ticket = desk.ticket(status="approved", allowed=True)
    path = f"{TICKETS}/{ticket['ref']}"
    assert hitl("get", "T-1", "--wait").code == 0
    assert hitl("get", "--wait", "T-1").code == 0
    assert hitl("get", "--wait", "20.9", "T-1").code == 0
    assert hitl("get", "--wait=20.9", "T-1").code == 0
    waits = [seen.headers.get("prefer") for seen in desk.requests("GET", path)]
    assert waits == ["wait=50", "wait=50", "wait=20", "wait=20"]
    assert hitl("get", "T-1", "--wait", "-1").code == 2


def test_getting_a_ticket_shows_its_content_and_names_claims(desk: DeskPeer, hitl: Run) -> None:
    desk.ticket(
        checkpoint="data-purchase",
        proposal={"business_count": 1200, "total_cost": 180},
        summary="Trust me",
        ai={"prediction": "buy"},
    )
    ended = hitl("get", "T-1")
    assert ended.code == 0
    assert "Buys data on 1200 businesses for 180." in ended.out
    assert ended.out.index('"total_cost": 180') < ended.out.index("Its requester says (a claim)")
    assert "The AI says (a claim)" in ended.out
    assert "hitl vote T-1 approve|reject" in ended.err


def test_getting_what_is_not_there_is_refused(desk: DeskPeer, hitl: Run) -> None:
    ended = hitl("get", "T-404")
    assert (ended.code, ended.out) == (1, "")
    assert "Check the name" in ended.err
    assert hitl("get", "T-404", "-o", "json").json["code"] == "not-found"


@pytest.mark.parametrize("name", ["T-1042", "018f0c1e-0000-7000-8000-000000000000", "order 7/a"])
def test_a_ticket_goes_by_each_of_its_names(desk: DeskPeer, hitl: Run, name: str) -> None:
    desk.ticket(reference=name)
    quoted = name.replace(" ", "%20").replace("/", "%2F")
    desk.script("GET", f"{TICKETS}/{quoted}", Reply(200, {"id": "1", "ref": "T-9"}))
    assert hitl("get", name).out.startswith("T-9")


# queue, next


def test_the_queue_is_listed_page_by_page_up_to_the_limit(desk: DeskPeer, hitl: Run) -> None:
    for number in range(450):
        desk.ticket(f"T-{number}")
    ended = hitl("queue", "--limit", "410", "-o", "json")
    assert [ticket["ref"] for ticket in ended.json] == [f"T-{number}" for number in range(410)]
    assert "more than these 410" in ended.err
    shown = hitl("queue").out.splitlines()
    assert shown[0].split() == ["REF", "PRIORITY", "RISK", "CHECKPOINT", "AMOUNT", "DUE", "TITLE"]
    assert len(shown) == 51
    assert shown[50].split()[0] == "T-49"


def test_an_empty_queue_says_so(desk: DeskPeer, hitl: Run) -> None:
    ended = hitl("queue", "-o", "json")
    assert (ended.code, ended.json) == (0, [])
    assert "Nothing waits" in ended.err


def test_next_claims_where_the_most_urgent_ticket_waits_and_then_elsewhere(
    desk: DeskPeer, hitl: Run
) -> None:
    desk.ticket("T-5", queue="money")
    desk.claimable["general"] = ["T-5"]
    ended = hitl("next")
    assert (ended.code, ended.out.splitlines()[0]) == (0, "T-5  Do T-5")
    assert "Yours until 2026-01-01T00:10:00Z." in ended.err
    claims = [seen.path for seen in desk.seen if seen.method == "POST"]
    assert claims == ["/api/v1/queues/money/next", "/api/v1/queues/general/next"]


def test_next_can_keep_to_one_queue_and_finds_nothing(desk: DeskPeer, hitl: Run) -> None:
    ended = hitl("next", "--queue", "money", "-o", "json")
    assert (ended.code, ended.json) == (0, None)
    assert [seen.path for seen in desk.seen] == ["/api/v1/queues/money/next"]


# approve, reject, vote


def test_approving_votes_with_the_version_that_was_read(desk: DeskPeer, hitl: Run) -> None:
    ticket = desk.ticket(reference="mine", version=7, checkpoint="data-purchase")
    ended = hitl("approve", "mine", "--reason", "fine")
    assert (ended.code, ended.out) == (0, "T-1  approved\n")
    assert "Do T-1" in ended.err
    assert "Buys data on (not given) businesses" in ended.err
    assert ticket["_vote"] == {"choice": "approve", "version": 7, "reason": "fine"}
    [sent] = [seen for seen in desk.seen if seen.method == "POST"]
    assert sent.path == f"{TICKETS}/{ticket['id']}/votes"


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ([10, 50, 100], "A step to 10 %; you are asked again before 50 %, then 100 %."),
        ([100], "The last step, to 100 %."),
    ],
)
def test_who_approves_a_step_of_a_rollout_reads_which(
    desk: DeskPeer, hitl: Run, steps: list[int], told: str
) -> None:
    desk.ticket(policy={"options": [{"key": "approve"}], "repeat": {"rounds": 1, "steps": steps}})

    for command in ("get", "approve"):
        ended = hitl(command, "T-1")
        assert told in ended.out + ended.err, ended


def test_rejecting_needs_a_reason(desk: DeskPeer, hitl: Run) -> None:
    desk.ticket()
    assert hitl("reject", "T-1").code == 2
    assert desk.seen == []
    empty = hitl("reject", "T-1", "--reason", "")
    assert empty.code == 1
    assert "Say why with --reason." in empty.err
    assert hitl("reject", "T-1", "--reason", "no").out == "T-1  rejected\n"


def test_many_are_voted_one_by_one_and_each_is_told(desk: DeskPeer, hitl: Run) -> None:
    for number in (1, 2, 3):
        desk.ticket(f"T-{number}")
    ended = hitl("approve", "T-1", "T-404", "T-2", "T-1", "-o", "json")
    assert ended.code == 1
    assert [(item["asked"], item["ok"]) for item in ended.json] == [
        ("T-1", True),
        ("T-404", False),
        ("T-2", True),
    ]
    assert ended.json[1]["problem"]["code"] == "not-found"
    assert "2 of 3 done, 1 not." in ended.err
    assert desk.tickets["id-of-T-3"]["allowed"] is None


def test_ids_come_from_standard_input_line_by_line(desk: DeskPeer, hitl: Run) -> None:
    for number in (1, 2, 3):
        desk.ticket(f"T-{number}", reference=f"order {number}")
    ended = hitl("approve", "T-3", "-", stdin="\ufeff order 1 \r\n\n T-2\n")
    assert (ended.code, ended.out) == (0, "T-3  approved\nT-1  approved\nT-2  approved\n")


def test_a_printed_queue_is_voted_on_as_it_was_seen(desk: DeskPeer, hitl: Run) -> None:
    desk.ticket("T-1", version=3)
    changed = desk.ticket("T-2", version=3)
    seen = hitl("queue", "-o", "json").out
    changed["version"] = 4
    ended = hitl("approve", "-", stdin=seen)
    assert ended.code == 1
    assert ended.out == "T-1  approved\nT-2  refused: ticket-changed\n"
    assert "seen at version 3 and is at version 4 now" in ended.err
    assert "hitl get T-2" in ended.err
    assert changed["allowed"] is None


@pytest.mark.parametrize("given", ["[1]", '{"name": "x"}', "[", '{"id": "a"}\n{'])
def test_json_that_names_no_ticket_is_wrong_usage(desk: DeskPeer, hitl: Run, given: str) -> None:
    assert hitl("approve", "-", stdin=given).code == 2
    assert desk.seen == []


@pytest.mark.parametrize("given", ['["T-1", "T-2"]', '{"id": "T-1"}\n{"ref": "T-2"}'])
def test_json_lists_and_lines_name_tickets(desk: DeskPeer, hitl: Run, given: str) -> None:
    desk.ticket("T-1")
    desk.ticket("T-2")
    assert hitl("approve", "-", stdin=given).out == "T-1  approved\nT-2  approved\n"


def test_nothing_on_standard_input_is_nothing_to_do(desk: DeskPeer, hitl: Run) -> None:
    ended = hitl("approve", "-", "-o", "json")
    assert (ended.code, ended.json) == (0, [])
    assert desk.seen == []


def test_a_lost_token_ends_a_long_run(desk: DeskPeer, hitl: Run) -> None:
    for number in (1, 2, 3):
        desk.ticket(f"T-{number}")
    desk.script("GET", f"{TICKETS}/T-2", problem(401, "unauthenticated"))
    ended = hitl("approve", "T-1", "T-2", "T-3")
    assert ended.code == 1
    assert ended.out == "T-1  approved\nT-2  refused: unauthenticated\nT-3  not tried\n"
    assert "Check HITL_TOKEN" in ended.err


def test_a_lost_answer_to_a_vote_is_asked_for_again(desk: DeskPeer, hitl: Run) -> None:
    ticket = desk.ticket()
    desk.script("POST", f"{TICKETS}/{ticket['id']}/votes", Reply(0, drop=True))
    assert hitl("approve", "T-1").code == 0


def test_a_vote_carries_response_and_amendments(desk: DeskPeer, hitl: Run) -> None:
    ticket = desk.ticket()
    ended = hitl(
        *("vote", "T-1", "modify", "--reason", "less", "-o", "json"),
        *("--response", '{"a": 1}', "--amendments", '{"do": "half"}'),
    )
    assert (ended.code, ended.json["ok"], ended.json["choice"]) == (0, True, "modify")
    assert ticket["_vote"] == {
        "choice": "modify",
        "version": 1,
        "reason": "less",
        "response": {"a": 1},
        "amendments": {"do": "half"},
    }
    assert hitl("vote", "T-1", "modify", "--response", "[1]").code == 2
    assert hitl("vote", "T-1", "modify", "--amendments", "{").code == 2


def test_a_vote_is_cast_for_who_lends_it(desk: DeskPeer, hitl: Run) -> None:
    ticket = desk.ticket()
    assert hitl("vote", "T-1", "approve", "--for", "ann").code == 0
    assert ticket["_vote"] == {"choice": "approve", "version": 1, "on_behalf_of": "ann"}


def test_a_vote_that_settles_nothing_says_what_is_missing(desk: DeskPeer, hitl: Run) -> None:
    ticket = desk.ticket()
    path = f"{TICKETS}/{ticket['id']}/votes"
    open_still = {"status": "pending", "tally": {"approvals": 1, "needed": 2}}
    held = {"status": "pending", "decision": {"outcome": "approve", "final_at": "later"}}
    desk.script("POST", path, Reply(201, {"ticket": open_still}), Reply(201, {"ticket": held}))
    assert "1 of 2" in hitl("approve", "T-1").out
    assert "final at later" in hitl("approve", "T-1").out


def test_too_late_a_vote_tells_the_decision(desk: DeskPeer, hitl: Run) -> None:
    desk.ticket(status="approved", allowed=True)
    ended = hitl("vote", "T-1", "reject", "--reason", "no")
    assert ended.code == 1
    assert "The decision was approve, by votes." in ended.err


@pytest.mark.parametrize(
    ("command", "checkpoint"),
    [("approve-purchase", "data-purchase"), ("approve-campaign", "email-campaign")],
)
def test_a_named_approval_refuses_other_kinds(
    desk: DeskPeer, hitl: Run, command: str, checkpoint: str
) -> None:
    other = desk.ticket("T-1", checkpoint="ai-upgrade")
    desk.ticket("T-2", checkpoint=checkpoint)
    refused = hitl(command, "T-1")
    assert refused.code == 1
    assert f"a ticket of ai-upgrade, not of {checkpoint}" in refused.err
    assert other["allowed"] is None
    assert hitl(command, "T-2", "--reason", "fine").code == 0


# Usage


def test_no_command_and_unknown_ones_are_wrong_usage(hitl: Run) -> None:
    assert hitl().code == 2
    assert hitl("approve").code == 2
    assert hitl("bypass").code == 2
    assert hitl("queue", "--output", "xml").code == 2
    assert hitl("--help").code == 0


def test_the_version_is_told(hitl: Run) -> None:
    assert hitl("--version").out == f"{hitl_client.__version__}\n"


def test_output_may_stand_before_the_command(desk: DeskPeer, hitl: Run) -> None:
    assert hitl("-o", "json", "queue").json == []


def test_without_a_token_nothing_is_sent(
    desk: DeskPeer, hitl: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HITL_TOKEN")
    ended = hitl("queue")
    assert ended.code == 2
    assert "HITL_TOKEN" in ended.err
    assert desk.seen == []


def test_the_token_may_stand_in_a_file(
    desk: DeskPeer, hitl: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{API_KEY}\n", encoding="utf-8")
    monkeypatch.setenv("HITL_TOKEN_FILE", str(file))
    both = hitl("queue")
    assert (both.code, API_KEY in both.err) == (2, False)
    monkeypatch.delenv("HITL_TOKEN")
    assert hitl("queue").code == 0
    assert desk.seen[0].headers["authorization"] == f"Bearer {API_KEY}"
    monkeypatch.setenv("HITL_TOKEN_FILE", str(tmp_path / "none"))
    assert hitl("queue").code == 2


@pytest.mark.parametrize("url", ["countersign.example", "ftp://x", "https://u:p@x"])
def test_an_address_that_is_none_is_wrong_usage(
    hitl: Run, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("HITL_URL", url)
    assert hitl("queue").code == 2
    assert hitl("status").code == 2
