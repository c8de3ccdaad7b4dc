"""Charts as SVG, drawn here from plain numbers: no script, no style attribute, one ink.

Colours are classes of dashboard.css. Every chart stands beside the same numbers as a table, so to
a screen reader it is one picture with a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, log10

WIDTH, HEIGHT = 520, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 12, 26
_PLOT_WIDTH, _PLOT_HEIGHT = WIDTH - _LEFT - _RIGHT, HEIGHT - _TOP - _BOTTOM
# Where a scale of seconds has its lines.
_TIMES = (
    *((1, "1 s"), (3, "3 s"), (10, "10 s"), (30, "30 s"), (60, "1 min"), (180, "3 min")),
    *((600, "10 min"), (1800, "30 min"), (3600, "1 h"), (3 * 3600, "3 h"), (12 * 3600, "12 h")),
    *((86400, "1 d"), (3 * 86400, "3 d"), (7 * 86400, "7 d"), (30 * 86400, "30 d")),
)
_MOST_LINES = 5
_ROW = 38


@dataclass(frozen=True, slots=True)
class Series:
    """One value per place along the bottom; None is a gap. `kind` chooses the ink."""

    name: str
    kind: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a chart of bars that lie; `note` stands at the end of the bar."""

    name: str
    value: float
    note: str


@dataclass(frozen=True, slots=True)
class Dot:
    """One place in a square from 0 to 1; `weight` (above 0) is drawn as its size."""

    x: float
    y: float
    weight: int
    warns: bool


def stacked(label: str, places: Sequence[str], series: Sequence[Series]) -> str:
    """Draw columns of parts that add up, one per place."""
    sums = [sum(one.values[n] or 0 for one in series) for n in range(len(places))]
    top, lines = _scale(max(sums, default=0))
    parts = [_grid([(f"{line:g}", line / top) for line in lines])]
    step = _PLOT_WIDTH / max(len(places), 1)
    width = min(step * 0.72, 28)
    for n in range(len(places)):
        height = 0.0
        for one in series:
            value = one.values[n] or 0
            if value:
                high = value / top * _PLOT_HEIGHT
                height += high
                x, y = _LEFT + step * (n + 0.5) - width / 2, _TOP + _PLOT_HEIGHT - height
                parts.append(
                    f'<rect class="ink-{one.kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
                    f'height="{high:.1f}"/>'
                )
    parts.append(_bottom(places))
    return _picture(label, "".join(parts))


def band(label: str, places: Sequence[str], low: Series, high: Series) -> str:
    """Draw times (seconds) on a scale of orders: a line, and the band up to another above it."""
    known = [value for one in (low, high) for value in one.values if value]
    least = max(min(known, default=1), 1)
    most = max(max(known, default=60), least * 10)
    first, last = log10(least) - 0.08, log10(most) + 0.08

    def place(seconds: float) -> float:
        return (log10(max(seconds, 1)) - first) / (last - first)

    grid = [(text, place(at)) for at, text in _TIMES if 0 <= place(at) <= 1]
    parts = [_grid(grid[:: ceil(len(grid) / _MOST_LINES) or 1])]
    for run in _runs(low.values, high.values):
        up = [_at(n, len(places), place(high.values[n] or 1)) for n in run]
        down = [_at(n, len(places), place(low.values[n] or 1)) for n in run]
        outline = " ".join(f"{x:.1f},{y:.1f}" for x, y in (*up, *reversed(down)))
        parts.append(f'<polygon class="ink-{high.kind}" points="{outline}"/>')
        parts.append(_line(down, low.kind))
    parts.append(_bottom(places, centred=False))
    return _picture(label, "".join(parts))


def shares(label: str, places: Sequence[str], series: Series) -> str:
    """Draw shares (0 to 1) as a line."""
    parts = [_grid([("0 %", 0.0), ("50 %", 0.5), ("100 %", 1.0)])]
    for run in _runs(series.values):
        points = [_at(n, len(places), series.values[n] or 0) for n in run]
        parts.append(_line(points, series.kind))
    parts.append(_bottom(places, centred=False))
    return _picture(label, "".join(parts))


def against_diagonal(label: str, across: str, up: str, dots: Sequence[Dot]) -> str:
    """Draw what was said (across) against what was so (up); on the diagonal both agree."""
    size = _PLOT_HEIGHT
    left = _LEFT + (_PLOT_WIDTH - size * 1.6) / 2
    wide = size * 1.6
    most = max((dot.weight for dot in dots), default=1)
    parts = []
    for text, share in (("0", 0.0), ("0.5", 0.5), ("1", 1.0)):
        y, x = _TOP + size * (1 - share), left + wide * share
        parts.append(f'<line class="grid" x1="{left}" x2="{left + wide}" y1="{y}" y2="{y}"/>')
        parts.append(_text(left - 8, y + 4, text, "end"))
        parts.append(_text(x, HEIGHT - 8, text, "middle"))
    parts.append(
        f'<line class="agree" x1="{left}" y1="{_TOP + size}" x2="{left + wide}" y2="{_TOP}"/>'
    )
    for dot in dots:
        x, y = left + wide * dot.x, _TOP + size * (1 - dot.y)
        radius = 4 + 5 * (dot.weight / most) ** 0.5
        kind = "off" if dot.warns else "on"
        parts.append(f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>')
        if dot.warns:
            parts.append(_text(x, y + 4, "!", "middle", "mark"))
        # Away from the diagonal, where other dots are not; beside the dot where no room is above.
        above = dot.y >= dot.x
        if above and y - radius - 5 < _TOP:
            parts.append(_text(x - radius - 4, y + 4, str(dot.weight), "end"))
        else:
            lift = -radius - 5 if above else radius + 14
            parts.append(_text(x, y + lift, str(dot.weight), "middle"))
    parts.append(_text(left + wide / 2, _TOP + size - 8, across, "middle", "axis"))
    parts.append(_text(left + 8, _TOP + 14, up, "start", "axis"))
    return _picture(label, "".join(parts))


def bars(label: str, rows: Sequence[Bar]) -> str:
    """Draw bars that lie, each with its name above it and its number at the end."""
    most = max((row.value for row in rows), default=0) or 1
    height = _ROW * len(rows) + 8
    whole = WIDTH - 130
    parts = []
    for n, row in enumerate(rows):
        y = _ROW * n + 16
        parts.append(_text(0, y, _short(row.name), "start", "name"))
        width = max(row.value / most * whole, 1)
        parts.append(f'<rect class="ink-bar" x="0" y="{y + 6}" width="{width:.1f}" height="8"/>')
        parts.append(_text(width + 6, y + 14, row.note, "start"))
    return _picture(label, "".join(parts), height=height)


def _runs(*series: Sequence[float | None]) -> list[list[int]]:
    """Return the places in unbroken runs in which every series has a value."""
    runs: list[list[int]] = [[]]
    for n, values in enumerate(zip(*series, strict=True)):
        if all(value is not None for value in values):
            runs[-1].append(n)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _line(points: Sequence[tuple[float, float]], kind: str) -> str:
    """Draw a line; a point alone would be none, so it is a dot."""
    if len(points) == 1:
        x, y = points[0]
        return f'<circle class="ink-{kind}-dot" cx="{x:.1f}" cy="{y:.1f}" r="2.5"/>'
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="ink-{kind}" points="{drawn}"/>'


def _at(n: int, count: int, share: float) -> tuple[float, float]:
    across = n / (count - 1) if count > 1 else 0.5
    return _LEFT + _PLOT_WIDTH * across, _TOP + _PLOT_HEIGHT * (1 - min(max(share, 0), 1))


def _scale(most: float) -> tuple[float, list[float]]:
    """Return the top of a scale from zero, and where it has its lines."""
    if most <= 4:
        return max(ceil(most), 1), [float(n) for n in range(max(ceil(most), 1) + 1)]
    power = 10 ** (len(str(int(most))) - 1)
    step = next(s for s in (power / 5, power / 2, power, 2 * power, 5 * power) if most / s <= 4)
    lines = [step * n for n in range(ceil(most / step) + 1)]
    return lines[-1], lines


def _grid(lines: Sequence[tuple[str, float]]) -> str:
    parts = []
    for text, share in lines:
        y = _TOP + _PLOT_HEIGHT * (1 - share)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
        parts.append(_text(_LEFT - 8, y + 4, text, "end"))
    return "".join(parts)


def _bottom(places: Sequence[str], *, centred: bool = True) -> str:
    """Write the first, the middle and the last place below; more would not fit a phone."""
    count = len(places)
    step = _PLOT_WIDTH / max(count, 1)
    parts = []
    shown = sorted({0, count // 2, count - 1}) if count > 2 else range(count)
    for n in shown:
        x = _LEFT + step * (n + 0.5) if centred else _at(n, count, 0)[0]
        anchor = "middle" if 0 < n < count - 1 or count == 1 else "end" if n else "start"
        edge = _LEFT if anchor == "start" else WIDTH - _RIGHT
        parts.append(_text(x if anchor == "middle" else edge, HEIGHT - 8, places[n], anchor))
    return "".join(parts)


def _text(x: float, y: float, words: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _short(name: str, most: int = 60) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"


def _picture(label: str, inside: str, *, height: int = HEIGHT) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(label)}">{inside}</svg>'
    )
