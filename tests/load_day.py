"""The plan of a news day for `load.py`: how many comments come when, to which site, and of what.

A day of two million comments is played with its own rates and shorter hours: a day in ten minutes
has the comments a second of the whole day, 144 times fewer of them. All is drawn from a seed, each
site with dice of its own, so that the same seed gives the same comments at the same times.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.schema import read_comments

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "training" / "data" / "samples.jsonl"
COMMENTS_A_DAY = 2_000_000
DAY_SECONDS = 86_400.0
#: Comments of each hour of the day, as shares of the mean: quiet before dawn, most after nine in
#: the evening.
CURVE = (
    *(0.75, 0.50, 0.30, 0.20, 0.18, 0.25, 0.40, 0.60, 0.80, 0.95, 1.05, 1.15),
    *(1.25, 1.20, 1.05, 0.95, 1.00, 1.15, 1.35, 1.65, 2.00, 2.30, 2.00, 1.30),
)
RUDE_SHARE, DOUBTFUL_SHARE = 0.05, 0.10  # of sample comments: with a label, and clean ones
EDITED_SHARE, REMOVED_SHARE, REPORTED_SHARE, REPEATED_SHARE = 0.02, 0.01, 0.004, 0.01
MOST_SENTENCES = 14
N_AUTHORS, N_ARTICLES = 4_000, 12  # of a site


@dataclass(frozen=True)
class SitePlan:
    """A site: its key, its share of all comments, and how it hears of decisions."""

    id: str
    key: str
    share: float
    listens: str  # webhook, poll, or broken: a webhook that never answers


@dataclass(frozen=True)
class ModeratorPlan:
    """A moderator, and the sites that they see."""

    name: str
    password: str
    sites: tuple[str, ...]
    role: str = "moderator"


@dataclass(frozen=True)
class Burst:
    """Many comments on one article, from this second of the played day on."""

    site: str
    at: float
    seconds: float
    per_second: float

    def arrivals(self, draw: random.Random) -> Iterator[float]:
        """Yield the seconds at which its comments come."""
        at = self.at
        while at < self.at + self.seconds:
            yield at
            at += draw.expovariate(self.per_second)


@dataclass(frozen=True)
class Day:
    """All that the players need to know."""

    url: str
    seed: int
    seconds: float  # that the day takes
    comments_a_day: float
    sites: Sequence[SitePlan]
    moderators: Sequence[ModeratorPlan]
    bursts: Sequence[Burst]
    think_seconds: float = 8.0  # of a moderator over a comment, in the mean
    poll_seconds: float = 5.0  # between two looks of a site without a webhook
    open_pages: int = 5  # overviews that stand open, and lists

    @property
    def factor(self) -> float:
        """How much shorter an hour is."""
        return DAY_SECONDS / self.seconds

    def hour(self, at: float) -> float:
        """Hour of the day at a second of the play."""
        return 24.0 * (at % self.seconds) / self.seconds

    def rate(self, at: float, share: float = 1.0) -> float:
        """Comments a second, without bursts."""
        mean = sum(CURVE) / len(CURVE)
        return self.comments_a_day / DAY_SECONDS * CURVE[int(self.hour(at))] / mean * share

    def phase(self, at: float) -> str:
        """What is going on beside bursts."""
        return "evening" if 19 <= self.hour(at) < 23 else "rest of the day"

    def write(self, file: Path) -> None:
        file.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, file: Path) -> Day:
        known = json.loads(file.read_text(encoding="utf-8"))
        known["sites"] = [SitePlan(**one) for one in known["sites"]]
        people = [{**one, "sites": tuple(one["sites"])} for one in known["moderators"]]
        known["moderators"] = [ModeratorPlan(**one) for one in people]
        known["bursts"] = [Burst(**one) for one in known["bursts"]]
        return cls(**known)


def shares(n_sites: int) -> list[float]:
    """Share of each site of all comments: few large ones, many small ones (Zipf, exponent 0.9)."""
    weights = [1 / rank**0.9 for rank in range(1, n_sites + 1)]
    return [weight / sum(weights) for weight in weights]


@dataclass
class Writer:
    """Comments of one site, one after the other."""

    site: str
    seed: int
    draw: random.Random = field(init=False)
    texts: Mapping[str, Sequence[str]] = field(init=False)
    n_written: int = 0

    def __post_init__(self) -> None:
        self.draw = random.Random(f"{self.seed} {self.site}")
        self.texts = _texts()

    def arrivals(self, day: Day, share: float) -> Iterator[float]:
        """Yield the seconds at which comments come: a Poisson process, by thinning."""
        most = day.rate(0.0, share) * max(CURVE) / CURVE[0]
        at = self.draw.expovariate(most)
        while at < day.seconds:
            if self.draw.random() * most < day.rate(at, share):
                yield at
            at += self.draw.expovariate(most)

    def comment(self, article: str = "") -> dict[str, Any]:
        """Write a comment as a site sends it."""
        self.n_written += 1
        draw, site = self.draw, self.site
        # Few readers write much: the number of an author is about geometric.
        author = min(N_AUTHORS - 1, int(draw.expovariate(4 / N_AUTHORS)))
        number = min(N_ARTICLES - 1, int(draw.expovariate(3 / N_ARTICLES)))
        body = {
            "id": f"{site}-{'burst-' if article else ''}{self.n_written}",
            "text": self.text(),
            "author": {"id": f"reader-{author}", "name": draw.choice(self.texts["names"])},
            "article": {
                "id": article or f"article-{number}",
                "url": f"https://{site}.example/{article or number}",
                "title": self.texts["titles"][number % len(self.texts["titles"])],
            },
        }
        if draw.random() < 0.3:
            body["parent"] = {"id": f"{site}-parent", "text": self.text()}
        return body

    def text(self) -> str:
        """Write a text: harmless sentences, their number about log-normal; or a sample comment."""
        draw, dice = self.draw, self.draw.random()
        if dice < RUDE_SHARE + DOUBTFUL_SHARE:
            samples = self.texts["rude" if dice < RUDE_SHARE else "doubtful"]
            return f"{draw.choice(samples)} {draw.randrange(10**6)}"
        n = max(1, min(MOST_SENTENCES, round(draw.lognormvariate(0.6, 0.7))))
        said = " ".join(draw.choice(self.texts["sentences"]) for _ in range(n))
        # Or all short comments would be copies of few.
        return f"{said} {draw.randrange(10**6)}" if n < 3 else said


def _texts() -> dict[str, Sequence[str]]:
    written = json.loads((HERE / "data" / "news_day.json").read_text(encoding="utf-8"))
    labelled = [one for one in read_comments(SAMPLES) if one.labels]
    rude = [one.text for one in labelled if max(one.labels.values()) >= 0.5]
    doubtful = [one.text for one in labelled if max(one.labels.values()) < 0.5]
    return {**written, "rude": rude, "doubtful": doubtful}
