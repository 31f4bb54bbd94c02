"""Comment policy of a site over HTTP: what its readers may be told."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from service.api.operation import operation
from service.rules.phrases import LANGUAGES, catalogue
from service.rules.policy_pack import SWITCHES, Position, positions, preset_of
from service.services import services
from service.sites.site import Site


class PolicyRule(BaseModel):
    """One switch of a comment policy, and what it says to readers."""

    switch: Annotated[str, Field(description="Name of the switch.")]
    position: Annotated[
        Position | None,
        Field(description="How it stands; null where the site's settings are of no position."),
    ]
    name: Annotated[
        dict[str, str], Field(description="What it is about, by language: `ar`, `en`, `fr`.")
    ]
    says: Annotated[
        dict[str, str],
        Field(description="What readers may be told, by language; empty where it is nothing."),
    ]


class CommentPolicy(BaseModel):
    """A site's comment policy."""

    preset: Annotated[
        str | None, Field(description="`lenient`, `usual` or `strict`; null for none of them.")
    ]
    rules: Annotated[list[PolicyRule], Field(description="All switches, in their order.")]


@operation("GET", "/v1/policy", answers={200: CommentPolicy})
def policy(site: Site) -> CommentPolicy:
    """Show a site's comment policy, with sentences for its readers."""
    found = positions(site, services().moderation.own_review)

    def rule(switch: str, meaning: str, phrase: str) -> PolicyRule:
        says = {one: catalogue(one).gettext(phrase) for one in LANGUAGES} if phrase else {}
        name = {one: catalogue(one).gettext(meaning) for one in LANGUAGES}
        return PolicyRule(switch=switch, position=found[switch], name=name, says=says)

    return CommentPolicy(
        preset=preset_of(found),
        rules=[
            rule(one.name, one.meaning, one.says[position] if position else "")
            for one in SWITCHES
            for position in [found[one.name]]
        ],
    )
