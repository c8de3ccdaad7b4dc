"""`GET /api/v1/metrics-summary`: who sees which figures, and in which form."""

import csv
import io
from typing import Any

import pytest

from audit.clock import db_now
from reviews.services.counting import count_figures
from tests.builders import Cast, make_checkpoint, make_policy, make_region
from tests.stories import later, question

pytestmark = pytest.mark.db

PATH = "/api/v1/metrics-summary"


def told(cast: Cast, person: Any = None, **asked: str) -> dict[str, Any]:
    answer = cast.as_person(person or cast.ada).get(PATH, asked)
    assert answer.status_code == 200, answer.content
    return dict(answer.json())


def busy_day(cast: Cast) -> None:
    """Seven tickets: one approved, one with changes, one rejected; four wait."""
    said = {"prediction": "pay", "confidence": 0.9, "model": "payer-1"}
    first, changed, refused, *_ = [cast.open(ai=said) for _ in range(7)]
    with later(minutes=10):
        cast.vote(first, cast.ann, "approve")
        cast.vote(changed, cast.ben, "modify", amendments={"total": 1})
        cast.vote(refused, cast.ann, "reject")


def test_the_metrics_stand_under_their_usual_names(cast: Cast) -> None:
    busy_day(cast)
    with later(minutes=20):
        found = told(cast)
        assert found["total_decisions"] == 3
        assert found["human_review_rate"] == 1
        assert found["auto_approved_rate"] == 0
        assert found["approval_rate"] == pytest.approx(2 / 3)
        assert found["override_rate"] == pytest.approx(2 / 3)
        assert found["modification_rate"] == pytest.approx(1 / 3)
        assert found["avg_review_time"] == pytest.approx(600, abs=5)
        assert found["sla_compliance"] == 1
        assert found["ai_accuracy"] == pytest.approx(1 / 3)
        assert found["confidence_calibration"] == pytest.approx(0.9 - 1 / 3, abs=1e-6)
        assert 540 <= found["approval_latency_p50"] <= found["approval_latency_p90"] <= 900
        assert found["waiting"]["count"] == 4
        assert found["waiting"]["oldest_seconds"] == pytest.approx(1200, abs=5)
        (bucket,) = found["calibration"]
        assert (bucket["samples"], bucket["enough"], bucket["warning"]) == (3, False, False)
        ann, ben = found["reviewers"]
        assert (ann["person"], ann["votes"], ann["allows"], ann["corrections"]) == ("Ann", 2, 1, 1)
        assert (ben["votes"], ben["minutes"]) == (1, pytest.approx(10, abs=0.1))


def test_nothing_counted_is_null_and_not_zero(cast: Cast) -> None:
    found = told(cast)
    assert found["total_decisions"] == 0
    assert found["approval_rate"] is found["sla_compliance"] is found["ai_accuracy"] is None
    assert found["waiting"]["oldest_at"] is None


def test_an_installation_that_catches_up_says_how_far_it_is(cast: Cast) -> None:
    busy_day(cast)
    with later(days=3):
        found = told(cast, period="7d")
        assert (found["opened"], found["complete_until"] < found["last_day"]) == (0, True)
        count_figures()
        assert told(cast, period="7d")["opened"] == 7


def test_counting_changes_no_figure(cast: Cast) -> None:
    busy_day(cast)
    with later(minutes=25):
        before = told(cast)
        count_figures()
        after = told(cast)
    gone = {"complete_until", "waiting"}
    assert {k: before[k] for k in before.keys() - gone} == {
        k: after[k] for k in after.keys() - gone
    }


def test_a_period_holds_its_days_alone(cast: Cast) -> None:
    busy_day(cast)
    with later(days=3):
        count_figures()
        assert told(cast, period="2d")["opened"] == 0
        assert told(cast, period="4d")["opened"] == 7
        assert len(told(cast, period="4d")["days"]) == 4


def test_a_reviewer_sees_the_figures_of_their_queues_and_only_their_own_load(cast: Cast) -> None:
    busy_day(cast)
    away = make_policy("away", question("review", needs=[{"role": "manager", "count": 1}]))
    make_checkpoint("away", question=away)
    make_region("south")
    with later(minutes=15):
        assert told(cast, cast.ada)["opened"] == 7
        cast.open(region="south")
        assert told(cast, cast.ada)["opened"] == 8
        found = told(cast, cast.ann)
        assert found["opened"] == 7, "a ticket of another region is not there at all"
        assert [one["person"] for one in found["reviewers"]] == ["Ann"]
        assert told(cast, cast.otto)["opened"] == 0


def test_another_region_is_refused_by_name(cast: Cast) -> None:
    make_region("south")
    answer = cast.as_person(cast.ann).get(PATH, {"region": "south"})
    assert (answer.status_code, answer.json()["code"]) == (403, "region-not-yours")


def test_figures_narrow_by_checkpoint_and_model(cast: Cast) -> None:
    busy_day(cast)
    make_checkpoint("other", question=cast.general.question)
    cast.open(checkpoint="other", ai={"model": "m2"})
    with later(minutes=30):
        for _ in range(2):  # live, then counted
            assert told(cast, checkpoint="other")["opened"] == 1
            assert told(cast, model="payer-1")["opened"] == 7
            assert told(cast, model="payer-1", checkpoint="other")["opened"] == 0
            count_figures()


@pytest.mark.parametrize(
    ("name", "value"),
    [("period", "0d"), ("period", "400d"), ("period", "month"), ("checkpoint", "none"),
     ("region", "none"), ("format", "xml"), ("colour", "blue"), ("model", "")],
)  # fmt: skip
def test_a_wrong_question_is_refused_by_its_parameter(cast: Cast, name: str, value: str) -> None:
    answer = cast.as_person(cast.ada).get(PATH, {name: value})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == name


def test_a_service_key_sees_no_figures(cast: Cast) -> None:
    assert cast.as_key().get(PATH).status_code == 403


@pytest.mark.parametrize("ask", ["header", "parameter"])
def test_the_table_has_the_period_first_and_a_row_per_day(cast: Cast, ask: str) -> None:
    busy_day(cast)
    client = cast.as_person(cast.ada)
    with later(minutes=20):
        if ask == "header":
            answer = client.get(PATH, {"period": "2d"}, headers={"Accept": "text/csv"})
        else:
            answer = client.get(PATH, {"period": "2d", "format": "csv"})
        today = db_now().date().isoformat()
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    whole, _yesterday, last = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (whole["day"], whole["opened"], whole["approved"]) == ("all", "7", "2")
    assert last["day"] == today
    assert last["rejected"] == "1"


@pytest.mark.parametrize("first", ["=", "+", "-", "@"])
def test_what_a_spreadsheet_would_run_is_led_by_an_apostrophe(cast: Cast, first: str) -> None:
    evil = f"{first}HYPERLINK(1)"
    cast.open(ai={"model": evil})
    answer = cast.as_person(cast.ada).get(PATH, {"model": evil, "format": "csv"})
    row = next(csv.DictReader(io.StringIO(answer.content.decode())))
    assert row["model"] == f"'{evil}"
    assert row["opened"] == "1"


def test_a_refused_table_is_a_problem_in_json(cast: Cast) -> None:
    answer = cast.as_person(cast.ada).get(PATH, {"period": "x"}, headers={"Accept": "text/csv"})
    assert answer.status_code == 422
    assert answer["Content-Type"].startswith("application/problem+json")
    assert answer.json()["code"] == "invalid"
