"""The root of the project's error tree.

::

    ModerationError
    ├── InvalidText         a text that is not valid Unicode
    ├── NotJson             what was read is not one JSON value
    ├── RecordError         a labelled comment that cannot be read (file, line, field)
    └── ArtifactError       an artefact that cannot be used
        ├── ArtifactMissing     no such version, or none promoted
        └── ArtifactDamaged     digest, format or content is not what the manifest says

Below the same root hang the service's own errors, in ``service.errors``, and in ``training.gate``
the refusal of a candidate that is worse than what is in use.
"""


class ModerationError(Exception):
    """Root of every error this project raises on purpose."""


class InvalidText(ModerationError):
    """A text holds a lone surrogate, so it is not valid Unicode."""


class NotJson(ModerationError):
    """What was read is not one JSON value; the message is the rest of a sentence about it."""


class RecordError(ModerationError):
    """A labelled comment cannot be read; the message names file, line and field."""


class ArtifactError(ModerationError):
    """An artefact cannot be used."""


class ArtifactMissing(ArtifactError):
    """No artefact of that version exists, or none has been promoted."""


class ArtifactDamaged(ArtifactError):
    """The files of an artefact are not what its manifest says they are."""
