"""The door for machines: keys, quotas and bodies, the same for every interface."""

from __future__ import annotations

import pytest
from flask import Flask

from service.callers import Quota, bearer_key
from service.errors import RateLimited
from service.sites import Site

N_REQUESTS = 30


def n_granted(quota: Quota, site: Site) -> int:
    refusals = []
    for _ in range(N_REQUESTS):
        try:
            quota.spend(site)
        except RateLimited as refusal:
            refusals.append(refusal)
    assert all(one.limit == site.requests_per_minute for one in refusals)
    assert all(1 <= one.retry_after_seconds <= 60 for one in refusals)
    return N_REQUESTS - len(refusals)


def test_every_worker_grants_its_share_of_a_site_s_requests() -> None:
    assert n_granted(Quota(1), Site("demo", requests_per_minute=9)) == 9
    assert n_granted(Quota(2), Site("demo", requests_per_minute=9)) == 5


def test_a_site_without_a_quota_is_never_refused() -> None:
    assert n_granted(Quota(1), Site("demo")) == N_REQUESTS


def test_sites_do_not_spend_each_other_s_requests() -> None:
    quota = Quota(1)
    n_granted(quota, Site("one", requests_per_minute=5))
    assert n_granted(quota, Site("two", requests_per_minute=5)) == 5


@pytest.mark.parametrize(
    ("header", "key"),
    [("Bearer k", "k"), ("bearer  k ", "k"), ("Basic k", ""), ("Bearer", ""), ("", "")],
)
def test_a_key_is_what_follows_the_word_bearer(header: str, key: str) -> None:
    with Flask(__name__).test_request_context(headers={"Authorization": header}):
        assert bearer_key() == key
