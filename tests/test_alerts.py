"""The rules for Prometheus: each alert fires when it should, and not before.

promtool, which comes with Prometheus, runs them over series that are written here in its notation:
``0x9`` is 0 and nine more of it, ``0+60x9`` grows by 60. A minute lies between two values.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

RULES = Path(__file__).parent.parent / "service" / "run" / "monitoring" / "rules"
GROUPS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for path in sorted(RULES.glob("*.yml"))
}
ALERTS = {one["alert"]: one for group in GROUPS["alerts"] for one in group["rules"]}

UP = {'up{job="hakam",instance="a"}': "1x100"}
REQUESTS = 'hakam_requests_total{method="POST",route="/v1/comments",status="%s"}'
SECONDS = 'hakam_request_seconds_bucket{route="/v1/comments",le="%s"}'
DAY = 24 * 60

# Of each alert: series in which it stays silent, series in which it fires, and after how many
# minutes it has to. In the first, nothing may fire at all, so that no alert fires for another's
# reason.
Series = dict[str, str]
CASES: dict[str, tuple[Series, Series, int]] = {
    "HakamDown": ({}, {'up{job="hakam",instance="b"}': "1x9 0x90"}, 13),
    "HakamMissing": ({}, {'up{job="hakam",instance="a"}': "1x9 stale"}, 16),
    "HakamFails": (
        {REQUESTS % 200: "0+100x60", REQUESTS % 503: "0+1x60"},
        {REQUESTS % 200: "0+100x60", REQUESTS % 503: "0+5x60"},
        20,
    ),
    "HakamSlow": (
        {SECONDS % "1.0": "0+100x60", SECONDS % "+Inf": "0+100x60"},
        {SECONDS % "1.0": "0+90x60", SECONDS % "2.5": "0+100x60", SECONDS % "+Inf": "0+100x60"},
        25,
    ),
    "HakamWorkersMissing": (
        {"hakam_workers": "2 1 2x60", "hakam_workers_wanted": "2x60"},
        {"hakam_workers": "2x9 1x60", "hakam_workers_wanted": "2x70"},
        20,
    ),
    "HakamStoreUnwell": ({"hakam_store_well": "1x60"}, {"hakam_store_well": "1x9 0x60"}, 12),
    "HakamBackupOld": (
        {"hakam_backup_age_seconds": "86400+60x60"},
        {"hakam_backup_age_seconds": "172500+60x60"},
        25,
    ),
    "HakamRedisFileNotWritten": (
        {"hakam_redis_writes_well": "1x60"},
        {"hakam_redis_writes_well": "1x9 0x60"},
        12,
    ),
    "HakamRedisSilent": (
        {'hakam_redis_silent{instance="a"}': "0x60", 'hakam_redis_silent{instance="b"}': "0x60"},
        {'hakam_redis_silent{instance="a"}': "0x60", 'hakam_redis_silent{instance="b"}': "2x60"},
        3,
    ),
    "HakamRedisSlow": (
        {f'hakam_redis_seconds_bucket{{le="{le}"}}': "0+100x60" for le in ("0.1", "+Inf")},
        {
            'hakam_redis_seconds_bucket{le="0.25"}': "0+90x60",
            'hakam_redis_seconds_bucket{le="0.5"}': "0+100x60",
            'hakam_redis_seconds_bucket{le="+Inf"}': "0+100x60",
        },
        25,
    ),
    "HakamRedisFull": (
        {"hakam_redis_memory_bytes": "84x60", "hakam_redis_memory_limit_bytes": "100x60"},
        {"hakam_redis_memory_bytes": "86x60", "hakam_redis_memory_limit_bytes": "100x60"},
        15,
    ),
    "HakamRedisReplicaLost": (
        {"hakam_redis_replicas": "1x60"},
        {"hakam_redis_replicas": "2x9 1x50"},
        20,
    ),
    "HakamNothingDelivers": (
        {'hakam_processes{does="webhooks"}': "1x60"},
        {'hakam_processes{does="webhooks"}': "1x9 0x60"},
        13,
    ),
    "HakamBackgroundMissing": (
        {'hakam_processes{does="background"}': "0x9 1x60"},
        {'hakam_processes{does="background"}': "0x60"},
        17,
    ),
    "HakamDeliveriesOverdue": (
        {"hakam_outbox_overdue_seconds": "0x9 301x2 0x60"},
        {"hakam_outbox_overdue_seconds": "301+60x60"},
        10,
    ),
    "HakamSitesFailing": ({"hakam_sites_failing": "0x60"}, {"hakam_sites_failing": "2x60"}, 17),
    "HakamWebhookDisabled": ({"hakam_sites_disabled": "0x60"}, {"hakam_sites_disabled": "1x60"}, 7),
    "HakamDeliveriesGivenUp": (
        {'hakam_deliveries_total{to="webhook",result="dead"}': "7x60"},
        {'hakam_deliveries_total{to="webhook",result="dead"}': "7x9 8x60"},
        12,
    ),
    "HakamNoticesFail": (
        {'hakam_notices_total{result="failed"}': "0x9 1x60"},
        {'hakam_notices_total{result="failed"}': "0x9 9x60"},
        14,
    ),
    "HakamQueueLate": ({"hakam_sites_late": "1x9 0x60"}, {"hakam_sites_late": "1x60"}, 17),
    "HakamWithheld": (
        {'hakam_withheld_total{interface="coral",reason="A"}': "3x60"},
        {'hakam_withheld_total{interface="coral",reason="A"}': "_x9 1x60"},
        12,
    ),
    "HakamNoComments": (
        {'hakam_verdicts_total{action="approve"}': f"0+60x{2 * DAY}"},
        {'hakam_verdicts_total{action="approve"}': f"0+60x{DAY} {60 * DAY}x{DAY}"},
        DAY + 60,
    ),
    "HakamFlagsMuch": (
        {
            'hakam_verdicts_total{action="approve"}': f"0+90x{2 * DAY}",
            'hakam_verdicts_total{action="review"}': f"0+10x{2 * DAY}",
        },
        {
            'hakam_verdicts_total{action="approve"}': f"0+90x{2 * DAY}",
            'hakam_verdicts_total{action="review"}': f"0+10x{DAY} {10 * DAY}+90x{DAY}",
        },
        DAY + 120,
    ),
    "HakamArtifactRefused": (
        {"hakam_artifact_refused": "0x60"},
        {"hakam_artifact_refused": "1x60"},
        7,
    ),
    "HakamArtifactsDiffer": (
        {f'hakam_artifact{{version="1",instance="{one}"}}': "1x60" for one in "ab"},
        {f'hakam_artifact{{version="{one}",instance="{one}"}}': "1x60" for one in "ab"},
        17,
    ),
    "HakamDrift": (
        {'hakam_drift_sites{about="words"}': "0x99"},
        {'hakam_drift_sites{about="words"}': "1x99"},
        62,
    ),
    "HakamSitesUnreadable": (
        {"hakam_sites_unreadable": "0x60"},
        {"hakam_sites_unreadable": "1x60"},
        7,
    ),
    "HakamUnknown": (
        {'hakam_unknown{part="sites"}': "0x60"},
        {'hakam_unknown{part="sites"}': "1x60"},
        12,
    ),
}


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = shutil.which("promtool")
    if command is None:
        pytest.skip("promtool is not installed")
    return subprocess.run([command, *words], capture_output=True, text=True, check=False)


def test_promtool_takes_the_rules() -> None:
    done = promtool("check", "rules", "--lint-fatal", *sorted(RULES.glob("*.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_case_and_says_what_to_do() -> None:
    assert set(CASES) == set(ALERTS)
    for name, alert in ALERTS.items():
        assert alert["labels"]["severity"] in {"critical", "warning", "info"}, name
        assert all(alert["annotations"][told].endswith(".") for told in ("summary", "description"))


def test_the_documents_list_the_alerts_as_they_are() -> None:
    document = (RULES.parents[3] / "docs" / "monitoring.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(Hakam\w+)` \| (\w+) \| (\w+) \|", document)
    expected = [
        (name, one["labels"]["severity"], one.get("for", "0m")) for name, one in ALERTS.items()
    ]
    assert rows == expected


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_when_it_should_and_only_then(name: str, tmp_path: Path) -> None:
    quiet, bad, minutes = CASES[name]
    firing = 'ALERTS{alertname="%s",alertstate="firing"}'

    def case(series: Series, expression: str, n_expected: int, at: int) -> dict[str, Any]:
        whole = UP | series
        if minutes > 60:
            whole = {one: f"1x{2 * DAY}" if one in UP else way for one, way in whole.items()}
        expected = {"labels": "{}", "value": n_expected}
        return {
            "interval": "1m",
            "input_series": [{"series": one, "values": way} for one, way in whole.items()],
            "promql_expr_test": [
                {
                    "expr": f"count({expression}) or vector(0)",
                    "eval_time": f"{at}m",
                    "exp_samples": [expected],
                }
            ],
        }

    long = minutes + 30 if minutes > 60 else 59
    cases = [
        case(quiet, 'ALERTS{alertstate="firing"}', 0, long),
        case(quiet, 'ALERTS{alertstate="firing"}', 0, minutes),
        case(bad, firing % name, 0, 0),
        case(bad, firing % name, 1, minutes),
    ]
    whole = {"rule_files": list(map(str, sorted(RULES.glob("*.yml")))), "tests": cases}
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(whole), encoding="utf-8")
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
