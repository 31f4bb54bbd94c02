"""Charts: where every bar, point and word of a figure stands.

Secret: the geometry. The template writes the SVG elements; the words are text that the browser
shapes, so that Arabic letters join as they must, and the colours come from the style sheet, so that
a chart follows light and dark. In a page that runs from right to left so does the time.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from service.reports.insight import Figure

WIDTH, HEIGHT = 640.0, 240.0
EDGE, FOOT, HEAD = 56.0, 28.0, 12.0
ROW = 34.0
TIMES = (60.0, 120.0, 600.0, 1200.0, 3600.0, 7200.0, 21600.0, 43200.0, 86400.0)
NAME = 190.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar; ``series`` counts from 0."""

    x: float
    y: float
    width: float
    height: float
    series: int
    row: int
    value: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and what it stands for."""

    place: float
    value: float


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn figure; all lengths in the units of ``width`` and ``height``.

    Attributes
    ----------
    lying : bool
        Bars lie along the rows (for names) instead of standing on a time axis.
    lines : sequence of (series, path)
        SVG path commands.
    scale : sequence of Tick
        Of the value axis.
    names : sequence of Tick
        Where row ``value`` is named.
    target : float or None
        Where the line to compare with lies.
    """

    width: float
    height: float
    lying: bool
    bars: Sequence[Bar] = ()
    lines: Sequence[tuple[int, str]] = ()
    scale: Sequence[Tick] = ()
    names: Sequence[Tick] = ()
    target: float | None = None
    edge: float = field(default=EDGE)


def draw(figure: Figure, *, from_right: bool) -> Chart:
    """Place a figure: names as lying bars, counts as standing bars, all else as lines.

    Parameters
    ----------
    from_right : bool
        Whether the reader's lines run from right to left.
    """
    if figure.kind in ("label", "people"):
        return _lying(figure, from_right)
    return _standing(figure, from_right)


def ceiling(value: float, unit: str = "count") -> float:
    """Return the next round number: 1, 2 or 5 times a power of ten, or a round time.

    Examples
    --------
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
    drawn = [s for s in figure.series if s.code != "n"]
    known = [v for s in drawn for v in s.values if v is not None]
    top = ceiling(max([*known, figure.target or 0.0], default=0.0), figure.unit)
    n_rows = max(1, len(figure.rows))
    step = (WIDTH - EDGE - 8) / n_rows

    def x(row: float) -> float:
        place = EDGE + row * step
        return WIDTH - place if from_right else place

    def y(value: float) -> float:
        return HEAD + (HEIGHT - HEAD - FOOT) * (1 - value / top)

    bars: list[Bar] = []
    lines: list[tuple[int, str]] = []
    for number, series in enumerate(drawn):
        if figure.unit == "count":
            wide = step * 0.8 / len(drawn)
            for row, value in enumerate(series.values):
                if value:
                    near = x(row + 0.1 + number * 0.8 / len(drawn))
                    left = near - wide if from_right else near
                    height = y(0) - y(value)
                    bars.append(Bar(left, y(value), wide, height, number, row, value))
        else:
            lines.append((number, _path([(x(i + 0.5), v) for i, v in enumerate(series.values)], y)))
    every = max(1, n_rows // 6)
    return Chart(
        WIDTH,
        HEIGHT,
        lying=False,
        bars=bars,
        lines=lines,
        scale=[Tick(y(top * part), top * part) for part in (0.0, 0.5, 1.0)],
        names=[Tick(x(row + 0.5), row) for row in range(0, n_rows, every)],
        target=None if figure.target is None else y(figure.target),
    )


def _path(points: Sequence[tuple[float, float | None]], y: Callable[[float], float]) -> str:
    """Join neighbouring points; a gap in the values is a gap in the line."""
    commands: list[str] = []
    pen_up = True
    for place, value in points:
        if value is None:
            pen_up = True
            continue
        commands.append(f"{'M' if pen_up else 'L'}{place:.1f} {y(value):.1f}")
        if pen_up:
            commands.append("l0.01 0")  # a lone point is a dot
        pen_up = False
    return "".join(commands)


def _lying(figure: Figure, from_right: bool) -> Chart:
    values = figure.series[0].values
    height = max(1, len(figure.rows)) * ROW + 8
    length = WIDTH - NAME - 70
    bars = []
    for row, value in enumerate(values):
        if value is None:
            continue
        wide = max(0.0, value) * length
        left = WIDTH - NAME - wide if from_right else NAME
        bars.append(Bar(left, row * ROW + 6, wide, ROW - 12, 0, row, value))
    names = [Tick(row * ROW + ROW / 2 + 5, row) for row in range(len(figure.rows))]
    return Chart(WIDTH, height, lying=True, bars=bars, names=names, edge=NAME)
