"""Policy pack on a site: its switches turned, and one of them alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from models.schema import LABELS
from service.errors import FieldError, InvalidRequest
from service.rules.policy_pack import BY_NAME, SWITCHES, Switch
from service.sites.site import Site


def turned(site: Site, wanted: Mapping[str, str], own: Mapping[str, float]) -> Site:
    """Return the site with switches in other positions; InvalidRequest names what is none.

    `own` are the thresholds for review of the model.
    """
    wrong = [
        FieldError(name, f"expected {' or '.join(BY_NAME[name].positions)}")
        if name in BY_NAME
        else FieldError("switch", f"expected one of {', '.join(BY_NAME)}")
        for name, position in wanted.items()
        if name not in BY_NAME or position not in BY_NAME[name].positions
    ]
    if wrong:
        raise InvalidRequest(wrong)
    for one in SWITCHES:
        if position := next((at for at in one.positions if at == wanted.get(one.name)), None):
            site = site.changed(one.turned(position, site, own))
    return site


def alone(site: Site, switch: Switch, own: Mapping[str, float]) -> Site:
    """Return a site that has this switch as the given one has it, and no other rule."""
    bare = Site(
        site.id,
        review=dict.fromkeys(LABELS, 1.0),
        unsupported_language="approve",
        allow_hosts=site.allow_hosts,
        personal_data="ignore",
        pen_names="ignore",
        random_sample_share=0.0,
    )
    position = switch.position(site, own)
    if switch.label:
        at = site.review.get(switch.label, own.get(switch.label, 1.0))
        return replace(bare, review=dict(bare.review) | {switch.label: at}, pen_names="review")
    names = (switch.settings or {})[position or switch.positions[0]]
    bare = replace(bare, **{name: getattr(site, name) for name in names})
    if switch.name == "pen_names":  # a name is judged by the labels
        return replace(bare, review=dict(own) | dict(site.review))
    return bare
