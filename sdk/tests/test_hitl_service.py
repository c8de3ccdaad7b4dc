"""`HITLService`: what waits in a region, and decisions bound to what was fetched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from countersign_peer import API_KEY, Reply
from desk_peer import DeskPeer

import hitl_client
from hitl_client import HITLService

OVERRIDE = "/hms-api/v1/hitl/override"


@pytest.fixture
def service(desk: DeskPeer) -> Iterator[HITLService]:
    with HITLService(API_KEY, desk.url) as made:
        yield made


def test_the_seed_example_fetches_and_decides(
    desk: DeskPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.me["regions"] = ["Region1"]
    ticket = desk.ticket(version=4)
    monkeypatch.setenv("HITL_URL", desk.url)
    service = HITLService(api_token=API_KEY)
    pending = service.fetch_pending(region="Region1")
    answer = service.submit_override(
        proposal_id=pending[0]["id"], decision="approve", comments="Looks good: proceed."
    )
    service.close()
    assert answer == {"status": "ok"}
    assert ticket["status"] == "approved"
    assert desk.seen[0].path == "/hms-api/v1/hitl/proposals?region=Region1"
    assert desk.seen[1].body == {
        "id": ticket["id"],
        "decision": "approve",
        "comments": "Looks good: proceed.",
        "version": 4,
    }


def test_without_an_address_it_is_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HITL_URL", raising=False)
    with HITLService(API_KEY) as service:
        assert service.core_url == "http://127.0.0.1:8000"
        assert API_KEY not in repr(service) + repr(vars(service))


def test_a_veto_stops_it_and_an_adjustment_changes_it(desk: DeskPeer, service: HITLService) -> None:
    vetoed, adjusted = desk.ticket("T-1"), desk.ticket("T-2")
    service.submit_override(vetoed["id"], "veto", "too dear")
    service.submit_override(adjusted["id"], "adjust", "less", adjustments={"do": "half"})
    assert vetoed["status"] == "rejected"
    assert adjusted["_vote"]["amendments"] == {"do": "half"}
    assert "version" not in desk.seen[0].body  # nothing was fetched, so none is claimed


def test_a_proposal_that_changed_since_is_not_decided(desk: DeskPeer, service: HITLService) -> None:
    ticket = desk.ticket()
    service.fetch_pending("region1")
    ticket["version"] = 2
    with pytest.raises(hitl_client.TicketChanged):
        service.submit_override(ticket["id"], "approve")
    assert ticket["allowed"] is None
    service.fetch_pending("region1")
    assert service.submit_override(ticket["id"], "approve") == {"status": "ok"}


def test_the_latest_fetch_counts_and_old_ones_are_forgotten(
    desk: DeskPeer, service: HITLService
) -> None:
    desk.me["regions"] = ["a", "b"]
    ticket = desk.ticket()
    service.fetch_pending("a")
    service.fetch_pending("b")
    ticket["version"] = 2
    service.fetch_pending("a")
    assert service._version(ticket["id"]) == 2
    desk.tickets.clear()
    service.fetch_pending("a")
    service.fetch_pending("b")
    assert service._version(ticket["id"]) is None


def test_another_region_is_refused(service: HITLService) -> None:
    with pytest.raises(hitl_client.Forbidden) as caught:
        service.fetch_pending("elsewhere")
    assert caught.value.code == "region-not-yours"


@pytest.mark.parametrize("decision", ["", "reject", "APPROVE", None])
def test_other_decisions_are_refused_before_sending(
    desk: DeskPeer, service: HITLService, decision: str
) -> None:
    with pytest.raises(hitl_client.Invalid):
        service.submit_override("1", decision)
    assert desk.seen == []


def test_a_lost_answer_is_asked_for_again(desk: DeskPeer, service: HITLService) -> None:
    ticket = desk.ticket()
    desk.script("POST", OVERRIDE, Reply(0, drop=True))
    assert service.submit_override(ticket["id"], "approve") == {"status": "ok"}


@pytest.mark.parametrize("body", [{}, "text", [1], None, b"<html>"])
def test_an_answer_that_is_no_list_is_an_error(
    desk: DeskPeer, service: HITLService, body: Any
) -> None:
    desk.script("GET", "/hms-api/v1/hitl/proposals?region=region1", Reply(200, body))
    with pytest.raises(hitl_client.HitlError) as caught:
        service.fetch_pending("region1")
    assert caught.value.code == "unexpected-answer"
