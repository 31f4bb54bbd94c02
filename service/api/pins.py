"""Pins: a request may name the version of the artefact that is to score it."""

from __future__ import annotations

from collections.abc import Iterable

from flask import g

from service.artifacts import MAX_LOADED
from service.errors import InvalidRequest
from service.moderation import Moderation
from service.services import services


def moderation_by(version: str | None) -> Moderation:
    """Return what judges by this version; by the one in use where none is named."""
    return moderations_by([version])[version]


def moderations_by(versions: Iterable[str | None]) -> dict[str | None, Moderation]:
    """Return what judges by each of these versions, and have the answer name them."""
    in_use, others = services().artifact.version, dict.fromkeys(versions)
    if len(others.keys() - {None, in_use}) > MAX_LOADED:
        raise InvalidRequest.of("model_version", f"expected at most {MAX_LOADED} other versions")
    found = {
        version: services().moderation
        if version is None
        else services().moderation.by(services().artifacts.get(version))
        for version in others
    }
    g.model_version = ", ".join(sorted({version or in_use for version in found}))
    return found
