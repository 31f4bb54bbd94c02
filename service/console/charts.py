"""Charts: where every bar, point and word of a figure stands.

The template writes the SVG elements; the words are text that the browser shapes, so that Arabic
letters join as they must, and the colours come from the style sheet, so that a chart follows light
and dark. In a page that runs from right to left so does the time.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from service.reports.insight import Figure

WIDTH, HEIGHT = 640.0, 240.0
EDGE, FOOT, HEAD = 56.0, 28.0, 12.0
WIDE_EDGE = 96.0  # beside which lengths of time stand: "30 minutes"
ROW, NAME = 34.0, 190.0  # height of a lying bar with its gap; width of its name
THICKER = 16.0  # a row for each further bar in it
TIMES = (60.0, 120.0, 600.0, 1200.0, 3600.0, 7200.0, 21600.0, 43200.0, 86400.0)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; ``series`` counts from 0."""

    x: float
    y: float
    width: float
    height: float
    series: int
    value: float
    written_at: float = 0.0  # of a lying bar, the edge beside which its value stands


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and what it stands for: a value, or the number of a row."""

    place: float
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn figure; all lengths in the units of ``width`` and ``height``."""

    width: float
    height: float
    lying: bool  # bars lie along the rows (for names) instead of standing on a time axis
    bars: Sequence[Bar] = ()
    intervals: Sequence[tuple[float, float, float]] = ()  # from x to x, at a height
    lines: Sequence[tuple[int, str]] = ()  # series, SVG path commands
    scale: Sequence[Tick] = ()
    names: Sequence[Tick] = ()
    target: float | None = None
    edge: float = EDGE


def draw(figure: Figure, *, from_right: bool) -> Chart:
    """Place a figure: names as lying bars, counts as standing bars, all else as lines."""
    if figure.kind in ("label", "people", "language", "dialect", "measure"):
        return _lying(figure, from_right)
    return _standing(figure, from_right)


def ceiling(value: float, unit: str = "count") -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten, or a round time.

    >>> ceiling(0.0), ceiling(0.07), ceiling(1.3), ceiling(340.0), ceiling(4000.0, "seconds")
    (1.0, 0.1, 2.0, 500.0, 7200.0)
    """
    if value <= 0:
        return 1.0
    if unit == "seconds":
        return next((t for t in TIMES if t >= value), math.ceil(value / 86400) * 86400.0)
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)


def _standing(figure: Figure, from_right: bool) -> Chart:
    drawn = figure.drawn
    known = [v for s in drawn for v in s.values if v is not None]
    top = ceiling(max([*known, figure.target or 0.0]), figure.unit)
    halves = figure.unit != "count" or (top / 2).is_integer()  # half a comment is none
    parts = (0.0, 0.5, 1.0) if halves else (0.0, 1.0)
    n_rows = max(1, len(figure.rows))
    edge = WIDE_EDGE if figure.unit == "seconds" else EDGE
    step = (WIDTH - edge - 8) / n_rows
    wide = step * 0.8 / max(1, len(drawn))

    def x(row: float) -> float:
        place = edge + row * step
        return WIDTH - place if from_right else place

    def y(value: float) -> float:
        return HEAD + (HEIGHT - HEAD - FOOT) * (1 - value / top)

    bars: list[Bar] = []
    lines: list[tuple[int, str]] = []
    for number, series in enumerate(drawn):
        if figure.unit != "count":
            lines.append((number, _path(((x(i + 0.5), v) for i, v in enumerate(series.values)), y)))
            continue
        for row, value in enumerate(series.values):
            if value:
                left = x(row + 0.1 + number * 0.8 / len(drawn)) - wide * from_right
                bars.append(Bar(left, y(value), wide, y(0) - y(value), number, value))
    return Chart(
        WIDTH,
        HEIGHT,
        lying=False,
        bars=bars,
        lines=lines,
        scale=[Tick(y(top * part), top * part) for part in parts],
        names=[Tick(x(row + 0.5), row) for row in range(0, n_rows, max(1, n_rows // 6))],
        target=None if figure.target is None else y(figure.target),
        edge=edge,
    )


def _path(points: Iterable[tuple[float, float | None]], y: Callable[[float], float]) -> str:
    """Join neighbouring points; a gap in the values is a gap in the line."""
    commands: list[str] = []
    command = "M"
    for place, value in points:
        if value is None:
            command = "M"
            continue
        dot = "l0.01 0" if command == "M" else ""  # a lone point is a dot
        commands.append(f"{command}{place:.1f} {y(value):.1f}{dot}")
        command = "L"
    return "".join(commands)


def _lying(figure: Figure, from_right: bool) -> Chart:
    def x(value: float) -> float:
        wide = max(0.0, value) * (WIDTH - NAME - 70)
        return WIDTH - NAME - wide if from_right else NAME + wide

    n_rows, n_drawn = len(figure.rows), max(1, len(figure.drawn))
    high_of_row = ROW + (n_drawn - 1) * THICKER
    thick = (high_of_row - 12) / n_drawn
    bounds = {series.code: series.values for series in figure.series}
    lows, highs = (bounds.get(code, [None] * n_rows) for code in ("low", "high"))
    intervals = [
        (x(low), x(high), row * high_of_row + high_of_row / 2)
        for row, (low, high) in enumerate(zip(lows, highs, strict=True))
        if low is not None and high is not None
    ]
    bars = []
    for number, series in enumerate(figure.drawn):
        for row, value in enumerate(series.values):
            if value is not None:
                left, right = sorted((x(0), x(value)))
                top = row * high_of_row + 6 + number * thick
                end = x(max(value, highs[row] or 0.0))
                bars.append(Bar(left, top, right - left, thick, number, value, end))
    names = [Tick(row * high_of_row + high_of_row / 2 + 5, row) for row in range(n_rows)]
    height = max(1, n_rows) * high_of_row + 8
    return Chart(WIDTH, height, lying=True, bars=bars, intervals=intervals, names=names, edge=NAME)
