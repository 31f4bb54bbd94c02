"""Comment policy of a site, for administrators: eight switches, tried on the last comments."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from service.console import changes
from service.console.concurrent_edits import Stale
from service.console.concurrent_edits import update as update_settings
from service.console.permissions import needs, site_for
from service.console.vocabulary import POSITION_NAMES
from service.console.vocabulary import gettext as _
from service.errors import InvalidRequest
from service.reports.signal_sample import N_DAYS, Tried, tried
from service.rules.policy import Signals
from service.rules.policy_pack import PRESETS, SWITCHES, Position, Switch, positions, preset_of
from service.services import services
from service.sites.policy_pack import alone, turned
from service.sites.site import Site

bp = Blueprint("policy", __name__)

_AS_IT_IS = "own"  # the position of a switch whose settings are of no position


@bp.get("/<site_id>/policy")
@needs("admin")
def index(site_id: str) -> str:
    """Show the switches of a site, in the positions of its settings or of a preset."""
    site = site_for(site_id)
    revision = request.args.get("revision", site.revision)  # of a form that is looked at again
    return _page(replace(site, revision=revision), _wanted(site))


@bp.post("/<site_id>/policy")
@needs("admin")
def update(site_id: str) -> ResponseReturnValue:
    """Keep the settings that the positions mean."""
    site = site_for(site_id)
    stored = update_settings(site, _wanted)
    if isinstance(stored, Stale):
        return _page(stored.site, stored.wanted, meanwhile=stored.since), 409
    flash(_("Saved."))
    return redirect(url_for(".index", site_id=site.id), 303)


@bp.get("/<site_id>/policy/preview")
@needs("admin")
def preview(site_id: str) -> str:
    """Say what the switches would have meant for the last days, and what readers are told."""
    site = site_for(site_id)
    return render_template("_policy_preview.html", **_preview(site, _wanted(site)))


def _wanted(site: Site) -> Site:
    """Return the site with the preset or the positions that were asked for."""
    asked: Mapping[str, str] = request.values.to_dict()
    if preset := asked.get("preset"):
        if preset not in PRESETS:
            raise InvalidRequest.of("preset", f"expected one of {', '.join(PRESETS)}")
        asked = PRESETS[preset]
    known = {one.name: asked[one.name] for one in SWITCHES if one.name in asked}
    wanted = {name: position for name, position in known.items() if position != _AS_IT_IS}
    return turned(site, wanted, services().moderation.own_review)


def _page(site: Site, wanted: Site, **shown: object) -> str:
    found = positions(wanted, services().moderation.own_review)
    return render_template(
        "policy.html",
        site=site,
        presets=PRESETS,
        found=found,
        preset=preset_of(found),
        own=_AS_IT_IS,
        position_name=_position_name,
        changes=changes,
        **shown,
        **_preview(site, wanted),
    )


def _position_name(switch: Switch, position: Position) -> str:
    if position == "review" and switch.label:
        return str(POSITION_NAMES["likely"])
    if position == "review" and switch.name == "pen_names":
        return str(POSITION_NAMES["insulting"])
    return str(POSITION_NAMES[position])


def _preview(site: Site, wanted: Site) -> Mapping[str, object]:
    samples = services().signal_sample.days(site.id)
    verdicts = services().verdict_counts.days(site.id, N_DAYS)
    moderation = services().moderation
    own = moderation.own_review

    def tried_by(one: Site, known: Mapping[str, Sequence[Signals]] = samples) -> Tried:
        return tried(moderation.policy(one), known, verdicts)

    def by_itself(switch: Switch) -> int:
        if found[switch.name] == switch.positions[0]:
            return 0
        known = samples
        if switch.name == "pen_names":
            known = {day: [replace(one, scores={}) for one in some] for day, some in known.items()}
        stopped = tried_by(alone(wanted, switch, own), known)
        return stopped.n_review + stopped.n_reject

    found = positions(wanted, own)
    return {
        "wanted": wanted,
        "now": tried_by(site),
        "then": tried_by(wanted),
        "each": {one.name: by_itself(one) for one in SWITCHES},
        "n_days": N_DAYS,
        "says": [
            phrase
            for one in SWITCHES
            if (position := found[one.name]) and (phrase := one.says[position])
        ],
        "switches": SWITCHES,
    }
