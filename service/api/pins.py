"""Pins: a request may name the version of the artefact that is to score it."""

from __future__ import annotations

from collections.abc import Iterable

from flask import g

from service.artifacts import MAX_LOADED
from service.errors import InvalidRequest, ServiceError
from service.moderation import Moderation
from service.services import services


def moderation_by(version: str | None) -> Moderation:
    """Return what judges by this version; by the one in use where none is named."""
    return moderations_by([version])[version]


def moderations_by(versions: Iterable[str | None]) -> dict[str | None, Moderation]:
    """Return what judges by each of these versions, and have the answer name them."""
    found: dict[str | None, Moderation] = {}
    for version, moderation in each_moderation_by(versions).items():
        if isinstance(moderation, ServiceError):
            raise moderation
        found[version] = moderation
    return found


def each_moderation_by(
    versions: Iterable[str | None],
) -> dict[str | None, Moderation | ServiceError]:
    """Do the same; of one that there is not or not yet, say why."""
    in_use, asked = services().artifact.version, dict.fromkeys(versions)
    if len(asked.keys() - {None, in_use}) > MAX_LOADED:
        raise InvalidRequest.of("model_version", f"expected at most {MAX_LOADED} other versions")
    found: dict[str | None, Moderation | ServiceError] = {}
    for version in asked:
        try:
            found[version] = (
                services().moderation
                if version is None
                else services().moderation.by(services().artifacts.get(version))
            )
        except ServiceError as fault:
            found[version] = fault
    judging = [one for one, by in found.items() if isinstance(by, Moderation)]
    if judging:
        g.model_version = ", ".join(sorted({version or in_use for version in judging}))
    return found
