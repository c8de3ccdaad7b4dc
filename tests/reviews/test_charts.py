"""Charts: well-formed, in bounds, inert, without a style."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reviews.display import charts
from reviews.display.charts import Bar, Dot, Series

MAYBE = st.none() | st.floats(0, 1e7)
COLUMNS = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        st.lists(MAYBE, min_size=n, max_size=n), st.lists(MAYBE, min_size=n, max_size=n)
    )
)


def read(drawn: str) -> ET.Element:
    """Return the picture, having looked at everything a strict page asks of it."""
    root = ET.fromstring(drawn)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"]
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    for one in root.iter():
        assert "style" not in one.attrib
        assert not [name for name in one.attrib if name.startswith("on")]
        for name, most in (("x", width), ("y", height), ("cx", width), ("cy", height)):
            assert 0 <= float(one.attrib.get(name, 0)) <= most + 0.1
        assert float(one.attrib.get("width", 0)) >= 0
        for pair in one.attrib.get("points", "").split():
            x, y = map(float, pair.split(","))
            assert 0 <= x <= width + 0.1
            assert 0 <= y <= height + 0.1
    return root


@given(COLUMNS)
def test_every_chart_over_time_stays_in_its_frame(values: tuple[list[float], list[float]]) -> None:
    places = [f"{n} Mar" for n in range(len(values[0]))]
    low, high = Series("Median", "line", values[0]), Series("90 %", "band", values[1])
    read(charts.stacked("Volume", places, [low, high]))
    read(charts.band("Time", places, low, high))
    read(charts.shares("Share", places, Series("", "line", [v and v / 1e7 for v in values[0]])))


def test_columns_add_up_to_the_height_of_their_sum() -> None:
    parts = [Series("a", "approved", [3, 0]), Series("b", "rejected", [1, 8])]
    root = read(charts.stacked("Volume", ["1", "2"], parts))
    heights = [float(one.attrib["height"]) for one in root.iter("rect")]
    assert len(heights) == 3, "nothing is drawn for none"
    assert heights[0] == pytest.approx(3 * heights[1], abs=0.5)
    assert sum(heights[:2]) == pytest.approx(heights[2] / 2, abs=0.5)


def test_a_day_without_a_figure_is_a_gap_and_not_zero() -> None:
    root = read(charts.shares("Share", list("abcde"), Series("", "line", [1, 0.5, None, 0.2, 0.4])))
    assert len(list(root.iter("polyline"))) == 2


def test_a_day_alone_is_a_dot() -> None:
    root = read(charts.shares("Share", list("abc"), Series("", "line", [None, 0.5, None])))
    assert len(list(root.iter("circle"))) == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(1, 10**6), st.booleans())))
def test_calibration_shows_the_samples_of_each_dot(
    dots: list[tuple[float, float, int, bool]],
) -> None:
    drawn = charts.against_diagonal("Calibration", "said", "right", [Dot(*dot) for dot in dots])
    root = read(drawn)
    texts = [one.text for one in root.iter("text")]
    assert all(str(dot[2]) in texts for dot in dots)
    assert texts.count("!") == sum(dot[3] for dot in dots), "a warning is a mark, not a colour"


@given(st.lists(st.tuples(st.text(st.characters(blacklist_categories=["Cs", "Cc"])),
                          st.floats(0, 1e6)), max_size=9))  # fmt: skip
def test_what_people_wrote_is_text_and_nothing_else(rows: list[tuple[str, float]]) -> None:
    root = read(charts.bars("Reasons", [Bar(name, value, "1") for name, value in rows]))
    assert {one.tag for one in root.iter()} <= {"svg", "text", "rect"}


def test_markup_in_a_reason_is_shown_as_it_was_typed() -> None:
    root = read(charts.bars("Reasons", [Bar("</text><script>x</script>", 1, "1")]))
    assert next(root.iter("text")).text == "</text><script>x</script>"
