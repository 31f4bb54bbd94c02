"""What has moved is told from what chance does, and recall from the random sample alone."""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from functools import partial
from typing import Any

import pytest
from flask import Flask
from redis import Redis
from test_console import Console
from test_console import accounts as accounts  # noqa: PLC0414 - a fixture

from models.artifact import Artifact
from service.accounts.account import Preferences
from service.accounts.accounts import Accounts
from service.reports import drift
from service.reports.drift import Estimate, Shift, stability_index
from service.reports.verdict_counts import VerdictCounts

Days = dict[str, dict[str, int]]


def days(recent: dict[str, int], before: dict[str, int]) -> Days:
    """Five weeks, the last of which has other counts a day."""
    found = {f"2026-01-{n:02}": dict(before) for n in range(1, 29)}
    return found | {f"2026-02-{n:02}": dict(recent) for n in range(1, 8)}


def shift(verdicts: Days, about: str) -> Shift:
    return next(one for one in drift.shifts(verdicts) if one.about == about)


def test_a_shift_of_the_scores_is_beyond_the_alarm_and_steady_scores_are_not() -> None:
    moved = shift(days({"score:insult:15": 100}, {"score:insult:2": 100}), "score:insult")
    steady = shift(days({"score:insult:2": 100}, {"score:insult:2": 100}), "score:insult")
    assert moved.is_beyond(0.25)
    assert (moved.n_recent, moved.n_before) == (700, 2_800)
    assert steady.index == pytest.approx(0.0)
    assert not steady.is_beyond(0.25)
    assert not moved.is_beyond(0.0), "0 is no alarm"


def test_a_week_without_comments_is_not_compared() -> None:
    only_before = shift(days({"score:insult:3": 1}, {}), "score:insult")
    assert only_before.index is None
    assert not only_before.is_beyond(0.25)
    assert [one.about for one in drift.shifts({})] == ["language", "dialect", "words"]


def test_a_few_comments_of_one_population_raise_no_alarm_and_many_of_another_do() -> None:
    drawn = random.Random(7)

    def week(n: int, mean: float) -> Counter[str]:
        return Counter(f"score:insult:{int(drawn.betavariate(2, mean) * 20)}" for _ in range(n))

    quiet = {f"2026-02-{n:02}": dict[str, int]() for n in range(2, 8)}
    large_by_chance = 0
    for _ in range(200):
        verdicts = {"2026-01-01": week(60, 6), "2026-02-01": week(15, 6)} | quiet
        found = shift(verdicts, "score:insult")
        large_by_chance += bool(found.index and found.index >= 0.25)
        assert not found.is_beyond(0.25)
    assert large_by_chance > 150, "which is why chance is asked as well"
    verdicts = {"2026-01-01": week(600, 6), "2026-02-01": week(300, 2)} | quiet
    assert shift(verdicts, "score:insult").is_beyond(0.25)


def test_words_count_as_many_times_as_there_are_comments() -> None:
    before = {"read": 5, "words:known": 80, "words:unknown": 20}
    recent = {"read": 5, "words:known": 50, "words:unknown": 50}
    found = shift(days(recent, before), "words")
    assert (found.n_recent, found.n_before) == (35, 140)
    assert found.index == pytest.approx(0.4159, abs=1e-4)
    assert found.is_beyond(0.25)
    few = days(recent | {"read": 1}, before | {"read": 1})
    assert not shift(few, "words").is_beyond(0.25), "seven comments, however many words"


def test_the_index_is_the_sum_that_its_source_gives() -> None:
    assert stability_index({"a": 1, "b": 3}, {"a": 1, "b": 1}) == pytest.approx(0.2747, abs=1e-4)
    assert stability_index({"a": 1}, {"b": 1}) == pytest.approx(0.6931, abs=1e-4), "and is finite"


def test_mixes_are_compared_as_shares() -> None:
    verdicts = days(
        {"language:Arab": 3, "language:fa": 1, "dialect:gulf": 1, "dialect:none": 3},
        {"language:Arab": 1, "dialect:none": 1},
    )
    languages, dialects = drift.languages(verdicts), drift.dialects(verdicts)
    assert list(languages.rows) == ["Arab", "fa"]
    assert [list(series.values) for series in languages.series] == [[0.75, 0.25], [1.0, 0.0]]
    assert list(dialects.rows)[-1] == "none"
    assert [series.values[-1] for series in dialects.series] == [0.75, 1.0]
    assert drift.languages({}).empty


def test_the_share_of_unknown_words_is_told_by_day() -> None:
    one = {"words:known": 9, "words:unknown": 1}
    figure = drift.unknown_words({"2026-01-01": one, "2026-01-02": {}})
    assert [list(series.values) for series in figure.series] == [[0.1, None], [10.0, 0.0]]
    assert figure.rows[0] == "2026-01-01T00:00+00:00"


def test_a_promotion_is_no_drift(redis: Redis) -> None:
    for back in range(35):
        version, score = ("2", 0.1) if back < 10 else ("1", 0.9)
        clock = partial(time.time().__sub__, back * 86_400.0)
        counts = VerdictCounts(redis, version=version, clock=clock)
        for _ in range(20):
            counts.count("demo", "approve", {"insult": score})
        counts.flush()
    found = shift(VerdictCounts(redis, version="2").days("demo", drift.N_DAYS), "score:insult")
    assert found.index == pytest.approx(0)
    assert (found.n_recent, found.n_before) == (140, 60)
    assert shift(VerdictCounts(redis).days("demo", drift.N_DAYS), "score:insult") == found
    unknown = VerdictCounts(redis, version="3").days("demo", drift.N_DAYS)
    assert not [one for one in drift.shifts(unknown) if one.about == "score:insult"]


# How well the model does


def test_precision_is_of_what_the_score_put_before_people() -> None:
    counts = {
        "score:insult:15:reject": 6,
        "score:threat:12:approve": 3,
        "score:insult:15:other": 1,
        "other:insult:3:reject": 50,
        "seen:uncertain:1:reject": 50,
    }
    found = drift.precision({"2026-01-01": counts})
    assert (found.share, found.n) == (0.6, 10)
    assert found.low < 0.6 < found.high
    assert drift.precision({}).share is None


def test_recall_weighs_the_random_sample_by_the_probability_with_which_it_was_drawn() -> None:
    counts = {
        "score:insult:15:reject": 80,
        "seen:random_sample:0.01:reject": 1,
        "seen:random_sample:0.01:approve": 99,
        "seen:random_sample:0.01:other": 5,
    }
    found = drift.recall({"2026-01-01": counts})
    assert found.share == pytest.approx(80 / (80 + 100))
    assert found.low < 0.2, "one of a hundred may as well be five"
    assert 0.7 < found.high < 0.9
    assert found.n == 105


@pytest.mark.parametrize("why", ["uncertain", "reported"])
def test_what_the_model_or_readers_chose_does_not_touch_recall(why: str) -> None:
    counts = {
        "score:insult:15:reject": 80,
        "seen:random_sample:0.1:reject": 2,
        "seen:random_sample:0.1:approve": 98,
    }
    chosen = {f"seen:{why}:1:reject": 500, f"seen:{why}:1:approve": 500}
    assert drift.recall({"2026-01-01": counts}) == drift.recall({"2026-01-01": counts | chosen})


def test_what_the_policy_would_have_rejected_is_found_and_what_a_list_found_is_missed() -> None:
    sample = {"seen:random_sample:1:reject": 0, "seen:random_sample:1:approve": 10}
    rejected = {"seen:rejected:0.1:reject": 3, "seen:rejected:0.1:approve": 1}
    listed = {"seen:listed:1:reject": 10, "seen:listed:1:approve": 4}
    found = drift.recall({"2026-01-01": sample | rejected | listed})
    assert found.share == pytest.approx(30 / (30 + 10))


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_the_interval_of_recall_holds_the_truth_nineteen_times_in_twenty(share: float) -> None:
    drawn = random.Random(11)
    n_held, n_tries = 0, 300
    for _ in range(n_tries):
        sampled = sum(drawn.random() < share for _ in range(5_000))
        missed = sum(drawn.random() < 0.04 for _ in range(sampled))
        counts = {
            "score:insult:15:reject": 300,
            f"seen:random_sample:{share}:reject": missed,
            f"seen:random_sample:{share}:approve": sampled - missed,
        }
        found = drift.recall({"2026-01-01": counts})
        n_held += found.low <= 300 / (300 + 200) <= found.high
    assert n_held / n_tries > 0.92


def test_several_shares_of_the_sample_are_weighed_together() -> None:
    counts = {
        "score:insult:15:reject": 100,
        "seen:random_sample:0.5:reject": 50,
        "seen:random_sample:0.01:approve": 1,
        "seen:random_sample:0:approve": 1,
        "seen:random_sample:bad:approve": 1,
    }
    found = drift.recall({"2026-01-01": counts})
    assert found.share == pytest.approx(0.5)
    assert found.high - found.low > 0.3, "half of the weight lies on one comment"


def test_without_a_sample_nothing_is_said_of_recall() -> None:
    found = drift.recall({"2026-01-01": {"score:insult:15:reject": 80}})
    assert found == Estimate(None, 0.0, 1.0, 0)
    figure = drift.quality({})
    assert figure.empty
    assert [series.values[0] for series in figure.series] == [None, None, None, 0.0]


# The page


@pytest.fixture
def moved(app: Flask, redis: Redis, artifact: Artifact) -> Flask:
    """A site whose insults have moved and whose dialects have not."""
    words = artifact.classifier.scorer.count_words
    for back in range(35):
        clock = partial(time.time().__sub__, back * 86_400.0)
        counts = VerdictCounts(redis, count_words=words, version=artifact.version, clock=clock)
        for n in range(20):
            score = 0.9 if back < 7 else 0.1
            counts.count("demo", "approve", {"insult": score}, text=f"x{n}", language="Arab")
        counts.flush()
    return app


def test_the_page_says_what_has_moved_and_draws_every_figure(
    moved: Flask, accounts: Accounts, api_key: str
) -> None:
    accounts.save_preferences("omar", Preferences(language="en"))
    senior = Console(moved, "omar").log_in()
    page = senior.get("/demo/drift")
    rows = {
        re.sub(r"<[^>]+>", "", head): re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", cells)).split()
        for head, cells in re.findall(r'<th scope="row">([^<]+)</th>(.*?)</tr>', page, re.DOTALL)
    }
    assert "moved" in rows["Scores: Insult"]
    assert "steady" in rows["Languages"]
    assert rows["Scores: Insult"][-2:] == ["140", "560"]
    addresses = re.findall(r'href="/console(/demo/drift/[^"]+)"', page)
    assert len(addresses) == page.count('class="chart"') == 4
    for address in addresses:
        assert senior.get(address).count("\n") > 1
        assert senior.last.mimetype == "text/csv"
    senior.get("/demo/drift/nothing.csv")
    assert senior.last.status_code == 404


def test_a_site_chooses_from_where_on_it_is_alarmed(
    moved: Flask, accounts: Accounts, api_key: str
) -> None:
    accounts.save_preferences("omar", Preferences(language="en"))
    sites: Any = moved.extensions["hakam"].sites
    senior = Console(moved, "omar").log_in()
    assert ">has moved<" in senior.get("/demo/drift")
    sites.update(sites.get("demo").changed({"drift_alarm": 0.0}))
    page = senior.get("/demo/drift")
    assert ">has moved<" not in page
    assert "This site has no alarm." in page


def test_drift_is_for_seniors(app: Flask, accounts: Accounts, api_key: str) -> None:
    console = Console(app).log_in()
    console.get("/demo/drift")
    assert console.last.status_code == 403
