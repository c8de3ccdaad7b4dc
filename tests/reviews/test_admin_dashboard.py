"""The page of figures: what it shows to whom, and what it does not draw."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from reviews.services.counting import count_figures
from tests.builders import Cast, make_region
from tests.stories import later

pytestmark = pytest.mark.db

PATH = "/admin/reviews/dashboard/"


def page(person: Any, **asked: str) -> str:
    client = Client()
    client.force_login(person)
    answer = client.get(PATH, asked)
    assert answer.status_code == 200
    assert "style-src 'self'" in answer["Content-Security-Policy"]
    return answer.content.decode()


def figures(html: str) -> dict[str, str]:
    found = re.findall(r"<dt>(.*?)</dt><dd class=\"figure num\">(.*?)</dd>", html)
    return dict(found)


def busy(cast: Cast, many: int) -> None:
    for n in range(many):
        ticket = cast.open(ai={"prediction": "pay", "confidence": 0.9, "model": "m1"})
        with later(minutes=30):
            choice = "reject" if n % 4 == 0 else "approve"
            cast.vote(ticket, (cast.ann, cast.ben)[n % 2], choice, reason="Too dear.")


def test_an_empty_house_says_so(cast: Cast) -> None:
    html = page(cast.ada)
    assert figures(html)["Waiting now"] == "0"
    assert figures(html)["Within SLA"] == "–"
    assert html.count("Nothing to draw in this period yet.") == 6
    assert '<svg class="chart"' not in html


def test_few_samples_are_said_and_not_drawn(cast: Cast) -> None:
    busy(cast, 5)
    with later(hours=1):
        html = page(cast.ada)
    assert html.count("5 samples so far.") == 5
    assert "2 samples so far." in html, "the rejections"
    assert '<svg class="chart"' not in html


def test_enough_samples_are_drawn_with_a_table_beside(cast: Cast) -> None:
    busy(cast, 21)
    with later(hours=1):
        html = page(cast.ada)
    assert html.count('<svg class="chart"') == 5, "six rejections are too few"
    assert html.count("As a table<span") == 6
    assert figures(html)["Median time to decide"] in {"29 min", "30 min", "31 min"}
    assert " style=" not in html
    assert "Too dear." in html


def test_a_page_costs_the_same_with_more_tickets(cast: Cast) -> None:
    def queries() -> int:
        client = Client()
        client.force_login(cast.ada)
        client.get(PATH)
        with CaptureQueriesContext(connection) as made:
            client.get(PATH)
        return len(made)

    busy(cast, 2)
    with later(hours=2):
        count_figures()
        few = queries()
    busy(cast, 10)
    with later(hours=3):
        count_figures()
        assert queries() == few <= 45


def test_a_reviewer_sees_their_own_load_and_no_other_persons(cast: Cast) -> None:
    busy(cast, 4)
    with later(hours=1):
        hers, all_of_it = page(cast.ann), page(cast.ada)
    assert "Your own load" in hers
    assert "Reviewer load" in all_of_it
    assert '<th scope="row">Ben</th>' in all_of_it
    assert '<th scope="row">Ben</th>' not in hers


def test_another_region_is_neither_counted_nor_offered(cast: Cast) -> None:
    make_region("south")
    cast.open(region="south")
    assert figures(page(cast.ann))["Waiting now"] == "0"
    assert "SOUTH" not in page(cast.ann)
    assert figures(page(cast.ada, region="south"))["Waiting now"] == "1"
    assert figures(page(cast.ann, region="south"))["Waiting now"] == "0"


@pytest.mark.parametrize(
    "asked",
    [{"period": "x"}, {"period": "²"}, {"model": "\x00"}, {"checkpoint": "'"}, {"region": "%"}],
)
def test_what_an_address_makes_up_is_passed_over(cast: Cast, asked: dict[str, str]) -> None:
    assert "Figures" in page(cast.ada, **asked)


def test_words_that_hide_are_written_out(cast: Cast) -> None:
    ticket = cast.open()
    cast.vote(ticket, cast.ann, "reject", reason="pay\u202epal <b>")
    html = page(cast.ada)
    assert "\u202e" not in html
    assert "<b>" not in html


def test_who_is_not_signed_in_is_led_there(cast: Cast) -> None:
    answer = Client().get(PATH)
    assert (answer.status_code, answer["Location"].partition("?")[0]) == (302, "/admin/login/")
