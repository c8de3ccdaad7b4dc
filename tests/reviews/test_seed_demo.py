"""What a newcomer finds, and what stays when they come again."""

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from approvals.models import AccessKey, ApprovalPolicy, User
from approvals.services.keys import find_key, is_good, revoke_key
from audit.clock import db_now, shifted
from reviews.models import Checkpoint, Region, Rule, Ticket
from reviews.ready.checkpoints import READY
from reviews.ready.demo import SAMPLES
from reviews.services.ready import load_ready
from reviews.services.requests import TicketRequest
from reviews.services.sweeps import sweep_deadlines
from reviews.services.tickets import open_ticket
from tests.builders import make_person, make_service_key

pytestmark = pytest.mark.db

EXPECTED = {
    "data-purchase": "P1-021",
    "email-campaign": "P1-017",
    "cost-threshold": "P0-010",
    "ai-upgrade": "P1-024",
}


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.HITL_DATA_DIR = tmp_path
    return tmp_path


def seed(folder: Path) -> dict[str, Any]:
    call_command("seed_demo", stdout=io.StringIO())
    told: dict[str, Any] = json.loads((folder / "demo.json").read_text())
    return told


def test_the_file_tells_everything_a_script_needs_and_only_to_its_owner(
    folder: Path, settings: Any
) -> None:
    told = seed(folder)
    assert (folder / "demo.json").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == ["demo.json"]
    assert set(told) == {"url", "service_key", "people"}
    assert told["url"] == settings.BASE_URL
    for person in told["people"]:
        assert set(person) == {"username", "password", "token", "roles", "regions"}
        assert len(person["password"]) >= 16
        user = authenticate(username=person["username"], password=person["password"])
        key = find_key(person["token"])
        assert isinstance(user, User)
        assert key is not None
        assert key.user == user
        assert is_good(key, now=db_now())
        assert sorted(role.name for role in user.groups.all()) == sorted(person["roles"])
        assert sorted(region.name for region in user.regions.all()) == sorted(person["regions"])
    by_role = [role for person in told["people"] for role in person["roles"]]
    assert by_role.count("reviewer") >= 3
    assert {"lead", "manager", "auditor", "admin"} <= set(by_role)
    assert [] in [person["roles"] for person in told["people"]]
    assert {"Region1", "Region2"} == {r for p in told["people"] for r in p["regions"]}
    service = find_key(told["service_key"])
    assert service is not None
    assert service.kind == AccessKey.Kind.SERVICE
    assert len({person["password"] for person in told["people"]}) == len(told["people"])


def test_regions_are_called_in_the_file_as_the_interface_calls_them(folder: Path) -> None:
    call_command("seed_demo", stdout=io.StringIO())
    told = json.loads((folder / "demo.json").read_text())

    regions = {region for person in told["people"] for region in person["regions"]}

    assert regions == set(Region.objects.values_list("slug", flat=True))


def test_what_is_printed_holds_the_address_the_logins_and_the_key(folder: Path) -> None:
    out = io.StringIO()
    call_command("seed_demo", stdout=out)
    told = json.loads((folder / "demo.json").read_text())
    for text in (told["url"], told["service_key"], *(p["password"] for p in told["people"])):
        assert text in out.getvalue()


def test_there_is_one_sample_of_every_kind(folder: Path) -> None:
    seed(folder)
    tickets = {ticket.reference: ticket for ticket in Ticket.objects.all()}
    assert len(tickets) == len(SAMPLES) >= 12
    assert tickets["demo-loan-term"].title == "Expand loan term to 7 years"
    assert tickets["demo-inspections"].region is not None
    assert tickets["demo-inspections"].region.name == "Region1"
    assert {ticket.checkpoint.slug for ticket in tickets.values()} == {r["slug"] for r in READY}
    for sample in SAMPLES:
        assert (tickets[sample.reference].status == "pending") == sample.waits, sample.reference
    statuses = {ticket.status for ticket in tickets.values()}
    assert {"pending", "approved", "rejected", "needs_changes", "answered"} <= statuses
    assert tickets["demo-small-purchase"].decision.by == "rule"
    answer = tickets["demo-budget-answered"].decision.response
    assert answer == {"new_limit": 250, "acknowledged": True}


def test_a_second_run_keeps_everything(folder: Path) -> None:
    first = seed(folder)
    assert seed(folder) == first
    assert Ticket.objects.count() == len(SAMPLES)
    assert AccessKey.objects.count() == len(first["people"]) + 1


def test_after_a_long_weekend_the_queue_is_full_again(folder: Path) -> None:
    first = seed(folder)
    waiting = sum(sample.waits for sample in SAMPLES)
    with shifted(timedelta(days=9)):
        sweep_deadlines()
        assert not Ticket.objects.waiting().exists()
        assert seed(folder) == first
        assert Ticket.objects.waiting().count() == waiting
        assert Ticket.objects.count() == len(SAMPLES) + waiting
        assert seed(folder) == first
        assert Ticket.objects.count() == len(SAMPLES) + waiting
    with shifted(timedelta(days=18)):
        sweep_deadlines()
        seed(folder)
        assert Ticket.objects.filter(reference="demo-loan-term-3").exists()


def test_a_revoked_token_and_a_lost_file_are_made_anew(folder: Path) -> None:
    first = seed(folder)
    key = find_key(first["people"][3]["token"])
    assert key is not None
    revoke_key(key=key, by=key.owner, now=db_now())
    second = seed(folder)
    changed = [a != b for a, b in zip(first["people"], second["people"], strict=True)]
    assert changed.index(True) == 3
    assert sum(changed) == 1
    assert second["people"][3]["password"] == first["people"][3]["password"]
    (folder / "demo.json").write_text('{"people": 5}')
    third = seed(folder)
    assert third["service_key"] != first["service_key"]
    ana = third["people"][3]
    assert authenticate(username=ana["username"], password=ana["password"]) is not None
    assert Ticket.objects.count() == len(SAMPLES)


def test_a_database_with_real_people_is_left_alone(folder: Path) -> None:
    make_person("ana")
    with pytest.raises(CommandError, match="ana is somebody real"):
        seed(folder)
    assert not (folder / "demo.json").exists()
    assert not Ticket.objects.exists()


def test_the_ready_checkpoints_bear_their_reference_codes(folder: Path) -> None:
    load_ready()
    codes = dict(Checkpoint.objects.exclude(reference="").values_list("slug", "reference"))
    assert codes == EXPECTED
    general = Checkpoint.objects.get(slug="general")
    assert not general.rules.exists()
    assert "post-approval" not in general.presets
    assert "review" in general.presets


def test_loading_again_changes_nothing_and_respects_the_managers() -> None:
    load_ready()
    versions = ApprovalPolicy.objects.count()
    assert load_ready() == []
    assert load_ready(reset=True) == []
    rule = Rule.objects.get(name="Cost above 100")
    rule.when = "total_cost > 5000"
    rule.save()
    Rule.objects.create(
        checkpoint=rule.checkpoint, position=9, name="Ours", when="total_cost > 7", then="deny"
    )
    Group.objects.get(name="auditor").permissions.clear()
    assert load_ready() == []
    assert load_ready(reset=True) == ["Role auditor reset.", "Checkpoint data-purchase reset."]
    assert load_ready(reset=True) == []
    assert ApprovalPolicy.objects.count() == versions
    assert Rule.objects.get(name="Cost above 100").when == "total_cost > 100"
    assert Rule.objects.get(name="Ours").state == "off"


PURCHASE = {
    "business_count": 10,
    "total_cost": 10,
    "quality_metrics": {"valid": 1},
    "justification": "Trial.",
}
MAILS = [{"subject": f"s{n}", "body": "b"} for n in range(5)]
CAMPAIGN = {
    "recipient_count": 50,
    "segments": ["a"],
    "sample_emails": MAILS,
    "send_time_estimate": "PT5M",
    "compliance_checklist": ["unsubscribe"],
}
COST = {
    "daily_spend": 80,
    "daily_budget": 100,
    "operation_cost": 50,
    "projected_month": 1000,
    "monthly_budget": 1000,
    "breakdown": {"mail": 80},
}
UPGRADE = {
    "current_model": "m1",
    "new_model": "m1",
    "current_output": "a",
    "new_output": {"text": "b"},
    "cost_difference": -0.5,
    "quality_metrics": {},
}


@pytest.mark.parametrize(
    "checkpoint, base, change, rule",
    [
        ("data-purchase", PURCHASE, {}, None),
        ("data-purchase", PURCHASE, {"total_cost": 100, "business_count": 1000}, None),
        ("data-purchase", PURCHASE, {"total_cost": 100.01}, "Cost above 100"),
        ("data-purchase", PURCHASE, {"business_count": 1001}, "More than 1000 businesses"),
        ("email-campaign", CAMPAIGN, {"recipient_count": 100}, None),
        ("email-campaign", CAMPAIGN, {"recipient_count": 101}, "More than 100 recipients"),
        ("email-campaign", CAMPAIGN, {"new_template": True}, "New template"),
        ("email-campaign", CAMPAIGN, {"high_value_segment": True}, "High-value segment"),
        ("cost-threshold", COST, {}, None),
        ("cost-threshold", COST, {"daily_spend": 80.5}, "Above 80 % of the daily budget"),
        ("cost-threshold", COST, {"operation_cost": 50.01}, "One operation above 50"),
        ("cost-threshold", COST, {"projected_month": 1001}, "Month projected above budget"),
        ("ai-upgrade", UPGRADE, {}, None),
        ("ai-upgrade", UPGRADE, {"new_model": "m2"}, "Another model"),
        ("ai-upgrade", UPGRADE, {"experimental": True}, "Experimental feature"),
        ("ai-upgrade", UPGRADE, {"baseline_distance": 0.3}, None),
        ("ai-upgrade", UPGRADE, {"baseline_distance": 0.31}, "Far from the baseline"),
    ],
)
def test_each_ready_rule_asks_where_it_says_and_else_lets_pass(
    checkpoint: str, base: dict[str, Any], change: dict[str, Any], rule: str | None
) -> None:
    load_ready()
    everybody = Group.objects.exclude(name="lead")
    for name in ("ina", "ivo"):
        make_person(name).groups.set(everybody)
    key, _ = make_service_key(make_person("dev"))
    request = TicketRequest(checkpoint=checkpoint, title="t", proposal={**base, **change})
    ticket = open_ticket(requester=key.user, key=key, request=request)
    assert ticket.rule["name"] == (rule or "")
    assert ticket.status == ("approved" if rule is None else "pending")
    if rule:
        assert ticket.expires_at - ticket.created_at == timedelta(hours=24)
        assert [role for _, role in ticket.escalation_steps] == ["lead"]
        hold = ticket.decision.question["timing"]["hold"]
        assert hold == ("PT1H" if checkpoint == "email-campaign" else "PT0S")


def test_a_key_is_printed_once_and_only_its_hash_is_kept() -> None:
    make_person("dev")
    out, said = io.StringIO(), io.StringIO()
    call_command(
        *("create_api_key", "--name", "agents", "--owner", "dev", "--expires-days", "30"),
        stdout=out,
        stderr=said,
    )
    token = out.getvalue().strip()
    key = find_key(token)
    assert key is not None
    assert key.expires_at is not None
    assert token not in key.hash + said.getvalue()
    assert key.user.is_machine


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--name", "a", "--owner", "nobody"], "nobody"),
        (["--name", "a", "--owner", "dev", "--expires-days", "0"], "expires-days"),
        (["--name", "", "--owner", "dev"], "name"),
        (["--name", "a", "--owner", "dev", "--scopes", "votes:write"], "cannot carry"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_in_a_sentence(
    arguments: list[str], words: str
) -> None:
    make_person("dev")
    with pytest.raises(CommandError, match=words):
        call_command("create_api_key", *arguments)
