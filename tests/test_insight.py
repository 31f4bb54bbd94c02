"""Insight: each figure says what the decisions and verdicts say, and its picture says the same."""

from __future__ import annotations

import csv
import io
import itertools
import re

import pytest
from arriving import enqueue
from flask import Flask
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture

from service.accounts.accounts import Accounts
from service.console.charts import HEIGHT, WIDTH, draw
from service.console.insight import figure_csv
from service.queue.records import Comment, Decision
from service.queue.review_queue import ReviewQueue
from service.reports import insight
from service.reports.insight import Figure, Series
from service.reports.statistics import share_interval
from service.rules.policy import Verdict

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z
VERDICT = Verdict("review", "insult", "text", 0.9, "score", 1.0, "v1")


DAY = "2026-01-01"
Days = dict[str, dict[str, int]]


def values(figure: Figure, code: str) -> list[float | None]:
    return next(list(series.values) for series in figure.series if series.code == code)


def test_decisions_are_counted_in_the_hour_they_were_taken() -> None:
    days = {
        "2025-12-31": {"hour:12:reject": 9},
        DAY: {"hour:12:reject": 1, "hour:11:reject": 1, "hour:11:approve": 1},
    }
    figure = insight.decisions_per_hour(days, until=NOON, n_hours=3)
    assert figure.rows == [
        "2026-01-01T10:00+00:00",
        "2026-01-01T11:00+00:00",
        "2026-01-01T12:00+00:00",
    ]
    assert values(figure, "reject") == [0.0, 1.0, 1.0]
    assert values(figure, "approve") == [0.0, 1.0, 0.0]


def test_the_time_to_decision_is_told_by_day_beside_the_target() -> None:
    days = {"2025-12-31": {}, DAY: {"wait:64": 1, "wait:80": 2, "wait:96": 8}}
    figure = insight.time_to_decision(days, target_seconds=3600)
    assert figure.rows == ["2025-12-31T00:00+00:00", "2026-01-01T00:00+00:00"]
    assert values(figure, "median") == [None, 64.0]
    assert insight.time_to_decision({DAY: {"wait:64": 1, "wait:80": 1}}, target_seconds=1).series[
        0
    ].values == [24.0]
    assert figure.target == 3600


def test_precision_says_which_share_of_the_flagged_was_rejected() -> None:
    days = {
        "2025-12-31": {"score:insult:18:reject": 1, "other:insult:18:reject": 5},
        DAY: {"score:insult:12:approve": 1, "score:threat:3:approve": 0},
    }
    figure = insight.precision_by_label(days)
    assert (list(figure.rows), values(figure, "rejected")) == (["insult"], [0.5])
    assert values(figure, "n") == [2.0]
    low, high = share_interval(1, 2)
    assert (values(figure, "low"), values(figure, "high")) == ([low], [high])


def agreed(**said: int) -> Days:
    """How often two people said what of the same comments."""
    return {DAY: {f'pair:{one}:["omar","samira"]': n for one, n in said.items()}}


def test_agreement_compares_people_on_the_same_comments() -> None:
    figure = insight.agreement(agreed(aa=3, rr=2))
    assert list(figure.rows) == ["omar \N{EN DASH} samira"]
    assert values(figure, "kappa") == [1.0]
    assert insight.agreement(agreed(aa=1, rr=1)).empty, "two comments are no measure of agreement"


def test_people_who_could_only_agree_have_no_kappa_and_no_bar() -> None:
    figure = insight.agreement(agreed(rr=insight.MIN_PAIRS))
    assert (values(figure, "kappa"), values(figure, "n")) == ([None], [5.0])
    assert draw(figure, from_right=False).bars == []


def test_known_answers_say_how_often_each_person_decided_as_known() -> None:
    days = {
        "2025-12-31": {"known:right:samira": 1, "known:wrong:gone": 0},
        DAY: {"known:wrong:samira": 1, "known:right:omar": 1},
    }
    figure = insight.known_answers(days)
    assert list(figure.rows) == ["omar", "samira"]
    assert (values(figure, "right"), values(figure, "n")) == ([1.0, 0.5], [1.0, 2.0])


def test_the_share_of_the_machine_is_what_nobody_had_to_look_at() -> None:
    verdict_counts = {"2026-01-01": {"action:approve": 90, "action:review": 10}, "2026-01-02": {}}
    assert values(insight.decided_by_machine(verdict_counts), "machine") == [0.9, None]


def test_a_threshold_s_preview_says_what_it_would_have_queued_and_what_people_thought() -> None:
    verdict_counts = {DAY: {"action:approve": 9, "scored": 10, "score:insult:18": 2}}
    days = {
        DAY: {
            "score:insult:18:reject": 1,
            "other:insult:19:approve": 1,
            "score:insult:10:reject": 1,
        }
    }
    found = insight.preview(verdict_counts, days, "insult", 0.9)
    assert (found.n_comments, found.n_flagged) == (10, 2)
    assert (found.rejected, found.n_decided) == (0.5, 2)
    assert insight.preview({}, {}, "insult", 0.5).rejected is None


@pytest.mark.parametrize("from_right", [True, False])
def test_a_chart_stays_inside_its_frame_and_runs_with_the_language(from_right: bool) -> None:
    series = [Series("approve", [1.0, 5.0, 9.0]), Series("reject", [0.0, 3.0, 7.0])]
    rows = [f"2026-01-01T{h:02}:00+00:00" for h in range(3)]
    chart = draw(Figure("f", "hour", "count", rows, series), from_right=from_right)
    assert len(chart.bars) == 5
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT
    first, last = chart.names[0].place, chart.names[-1].place
    assert (first > last) == from_right
    tallest = max(chart.bars, key=lambda bar: bar.height)
    assert tallest.value == 9.0


@pytest.mark.parametrize("from_right", [True, False])
def test_an_interval_is_drawn_around_the_end_of_its_bar(from_right: bool) -> None:
    series = [
        Series("share", [0.5, None, 1.0]),
        Series("low", [0.25, None, 0.9]),
        Series("high", [0.75, None, 1.0]),
        Series("n", [3.0, 0.0, 9.0]),
    ]
    figure = Figure("f", "measure", "share", ["precision", "recall", "other"], series)
    chart = draw(figure, from_right=from_right)
    assert [bar.value for bar in chart.bars] == [0.5, 1.0], "bounds and counts are no bars"
    assert len(chart.intervals) == 2
    for bar, (low, high, height) in zip(chart.bars, chart.intervals, strict=True):
        end = bar.x if from_right else bar.x + bar.width
        assert min(low, high) <= end <= max(low, high)
        assert bar.y < height < bar.y + bar.height
        assert bar.written_at == high, "the value stands behind the line"


def test_bars_of_two_series_stand_below_each_other_in_their_row() -> None:
    series = [Series("this_week", [0.5, 0.5]), Series("weeks_before", [0.9, 0.1])]
    chart = draw(Figure("f", "dialect", "share", ["gulf", "none"], series), from_right=False)
    tops = sorted((bar.y, bar.y + bar.height) for bar in chart.bars)
    assert all(one[1] <= other[0] for one, other in itertools.pairwise(tops))
    assert tops[-1][1] <= chart.height


def test_a_gap_in_the_values_is_a_gap_in_the_line() -> None:
    series = [Series("median", [1.0, None, 2.0, 3.0])]
    figure = Figure("f", "day", "seconds", [f"2026-01-0{n}" for n in range(1, 5)], series, 5.0)
    chart = draw(figure, from_right=False)
    assert chart.lines[0][1].count("M") == 2
    assert chart.target is not None


def test_a_csv_holds_the_numbers_of_the_figure_and_no_formula() -> None:
    figure = Figure("agreement", "people", "kappa", ["=1+1"], [Series("kappa", [0.25])])
    assert list(csv.reader(io.StringIO(figure_csv(figure)))) == [
        ["people", "kappa"],
        ["'=1+1", "0.25"],
    ]


def test_the_page_draws_every_figure_with_its_table_and_csv(
    app: Flask, accounts: Accounts, api_key: str
) -> None:
    services = app.extensions["hakam"]
    queue: ReviewQueue = services.queue
    for n in range(3):
        enqueue(queue, "demo", Comment(id=f"c{n}", text="x"), VERDICT, scores={"insult": 0.9})
        lease = queue.lease("demo", "samira")
        assert lease
        draft = Decision("reject", ("insult",), "insult", moderator="samira", request_id=str(n))
        queue.decide("demo", lease.item.id, lease.token, draft)
        services.verdict_counts.count("demo", "review", {"insult": 0.9})
    services.verdict_counts.flush()
    senior = Console(app, "omar").log_in()
    page = senior.get("/demo/insight")
    assert page.count('class="chart"') == page.count("<table>") == 4
    addresses = re.findall(r'href="/console(/demo/insight/[^"]+)"', page)
    assert len(addresses) == 4
    for address in addresses:
        text = senior.get(address)
        assert senior.last.mimetype == "text/csv"
        assert len(list(csv.reader(io.StringIO(text)))) > 1
    assert "insult,1,0.438" in senior.get("/demo/insight/precision_by_label.csv")
    senior.get("/demo/insight/nothing.csv")
    assert senior.last.status_code == 404


def test_insight_is_for_seniors(app: Flask, accounts: Accounts, api_key: str) -> None:
    console = Console(app).log_in()
    console.get("/demo/insight")
    assert console.last.status_code == 403
