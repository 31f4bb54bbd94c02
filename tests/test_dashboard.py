"""The dashboard and rules, with a real Prometheus that asks a real service."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from fake_sites import answering
from foreign_clients import has_node, npm_install

from conftest import await_condition, free_port, hakam, served
from models.schema import read_comments
from service.delivery.heartbeat import WORK
from service.reports.drift_alarms import ABOUT, DriftAlarms
from service.run.private_redis import PrivateRedis
from service.sites.site import Site
from service.sites.sites import Sites
from service.store.backup import note_backup
from service.store.connect import connect

ROOT = Path(__file__).parent.parent
WATCH = ROOT / "service" / "run" / "monitoring"
DASHBOARD = json.loads((WATCH / "dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
GROUPS = [
    group
    for path in sorted((WATCH / "rules").glob("*.yml"))
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
]
RULES = [rule for group in GROUPS for rule in group["rules"]]
TOKEN = "t" * 32
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
CHOSEN = {"$__rate_interval": "30s", "$label": "toxicity", "$site": ".+"}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus, and where what it asks can be asked."""

    url: str
    hakam_url: str

    def asked(self, expression: str) -> list[dict[str, Any]]:
        """Series of the answer; fails where the expression cannot be read."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30.0)
        body = answer.json()
        assert body["status"] == "success", f"{expression}: {body}"
        found: list[dict[str, Any]] = body["data"]["result"]
        return [one for one in found if one["value"][1] != "NaN"]


@pytest.fixture(scope="module")
def prometheus(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus with our configuration, a service with traffic, and what delivers."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    with ExitStack() as stack:
        url = stack.enter_context(PrivateRedis()).start(folder / "var")
        environ = {
            "HAKAM_REDIS_URL": url,
            "HAKAM_ARTIFACTS": str(artifacts),
            "HAKAM_VAR": str(folder / "var"),
            "HAKAM_SECRET_KEY": "0123456789abcdef" * 4,
            "HAKAM_METRICS_TOKEN": TOKEN,
        }
        redis = stack.enter_context(connect(url))
        endpoint = stack.enter_context(answering())
        redis.config_set("maxmemory", "1gb")
        key = Sites(redis).add(
            Site("demo", webhook_url=endpoint.url, webhook_secret=SECRET, webhook_private=True)
        )
        DriftAlarms(redis).keep("demo", [], 0.25)
        redis.hset("{hakam:demo}:drift", ABOUT[0], "0.100 0")
        note_backup(redis)
        web = stack.enter_context(served(environ, folder / "log"))
        for command in WORK:
            running = hakam(command, environ=environ)
            stack.callback(running.wait, 30.0)
            stack.callback(running.terminate)
        ours = started(stack, program, folder, web)
        watched = Prometheus(ours, web)
        send_comments(web, key)
        await_condition(lambda: watched.asked("hakam_verdicts_total"), what="a look at verdicts")
        send_comments(web, key)
        last = "min(count_over_time(hakam:verdicts_not_approved:ratio_rate1h[1m])) > 3"
        await_condition(lambda: watched.asked(last), what="some looks", seconds=60.0)
        yield watched


def started(stack: ExitStack, command: str, folder: Path, web: str) -> str:
    """Start Prometheus with our configuration, but for the address and the times in it."""
    shutil.copytree(WATCH, folder / "watch")
    (folder / "watch" / "token").write_text(TOKEN)
    file = folder / "watch" / "prometheus.yml"
    config = yaml.safe_load(file.read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["scrape_configs"][0]["static_configs"][0]["targets"] = [web.removeprefix("http://")]
    file.write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    words = [f"--config.file={file}", f"--storage.tsdb.path={folder / 'series'}"]
    with (folder / "prometheus.log").open("w") as log:
        running = subprocess.Popen(
            [command, *words, f"--web.listen-address={address}"], stdout=log, stderr=log
        )
    stack.callback(running.wait, 30.0)
    stack.callback(running.terminate)

    def ready() -> bool:
        assert running.poll() is None, (folder / "prometheus.log").read_text()
        try:
            return httpx.get(f"http://{address}/-/ready", timeout=5.0).is_success
        except httpx.TransportError:
            return False

    await_condition(ready, what="readiness of Prometheus", seconds=60.0)
    return f"http://{address}"


def send_comments(web: str, key: str) -> None:
    samples = read_comments(ROOT / "training" / "data" / "samples.jsonl")
    with httpx.Client(headers={"Authorization": f"Bearer {key}"}, timeout=30.0) as client:
        for comment in list(samples)[:40]:
            body = {"id": comment.id, "text": comment.text, "author": {"name": comment.id}}
            assert client.post(f"{web}/v1/comments", json=body).status_code in (200, 202)


def test_prometheus_asks_with_our_configuration_and_gets_answers(prometheus: Prometheus) -> None:
    answer = httpx.get(f"{prometheus.url}/api/v1/targets", timeout=30.0).json()
    states = [(one["health"], one["lastError"]) for one in answer["data"]["activeTargets"]]
    assert states == [("up", "")]
    rules = httpx.get(f"{prometheus.url}/api/v1/rules", timeout=30.0).json()["data"]["groups"]
    health = {rule["name"]: rule["health"] for group in rules for rule in group["rules"]}
    assert len(health) == len(RULES)
    assert set(health.values()) == {"ok"}, health


def test_no_alert_fires_on_a_service_that_is_well(prometheus: Prometheus) -> None:
    assert prometheus.asked('ALERTS{alertstate="firing"}') == []


@pytest.mark.parametrize(
    ("title", "expression"),
    [
        (f"{panel['title']} {target['refId']}", target["expr"])
        for panel in PANELS
        for target in panel["targets"]
    ],
)
def test_each_panel_shows_something(prometheus: Prometheus, title: str, expression: str) -> None:
    for variable, value in CHOSEN.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression, title
    assert prometheus.asked(expression), f"{title}: {expression}"


def names_in(text: str) -> set[str]:
    return set(re.findall(r"\bhakam_[a-z0-9_]+", text))


def test_each_metric_that_is_asked_for_is_told_and_documented(prometheus: Prometheus) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    told = httpx.get(f"{prometheus.hakam_url}/metrics", headers=headers, timeout=30.0).text
    families = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", told))
    families = {name: kind for name, kind in families.items() if not name.endswith("_created")}
    # These come with the first of what they count.
    families |= dict.fromkeys(("hakam_withheld_total", "hakam_reports_total"), "counter")
    families |= {"hakam_redis_faults_total": "counter"}
    document = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"(?m)^\| `(hakam_\w+)` \|", document))
    assert rows == set(families)
    parts = {
        f"{name}_{part}"
        for name, kind in families.items()
        if kind == "histogram"
        for part in ("bucket", "sum", "count")
    }
    asked = names_in(json.dumps(DASHBOARD)) | names_in(json.dumps(RULES))
    assert asked <= set(families) | parts
    # What is told and never shown nor watched would be of no use to anybody.
    shown = {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}
    assert set(families) <= shown | asked


def test_each_panel_has_a_title_a_unit_and_a_place_of_its_own() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(0 <= x < 24 for x, _ in cells)
        taken |= cells
    for panel in PANELS:
        assert panel["title"]
        unit = panel["fieldConfig"]["defaults"]["unit"]
        assert unit in {"none", "short", "s", "bytes", "percentunit", "reqps"}
        asked = " ".join(target["expr"] for target in panel["targets"])
        if re.match(r"^[^/]*_seconds\b(?!_count)[^/]*$", asked) and "rate(" not in asked:
            assert unit == "s", panel["title"]
        if re.match(r"^[^/]*_bytes\b[^/]*$", asked):
            assert unit == "bytes", panel["title"]


@pytest.mark.timeout(900)
def test_grafana_s_own_types_take_the_dashboard(tmp_path: Path) -> None:
    if not has_node():
        pytest.skip("no node and npm on this machine")
    npm_install(tmp_path, "@grafana/schema", "typescript")
    words = (WATCH / "dashboard.json").read_text(encoding="utf-8")
    for text, name in (
        ('"mode": "absolute"', '"mode": ThresholdsMode.Absolute'),
        ('"type": "value"', '"type": MappingType.ValueToText'),
    ):
        words = words.replace(text, name)
    imports = "import { Dashboard, MappingType, ThresholdsMode } from '@grafana/schema';"
    file = tmp_path / "dashboard.ts"
    file.write_text(f"{imports}\nexport const dashboard: Dashboard = {words};\n", encoding="utf-8")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]
    command = [str(tmp_path / "node_modules" / ".bin" / "tsc"), *options, str(file)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[:2000]
