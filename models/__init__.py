"""Text in, calibrated probabilities and evidence out. Knows no HTTP, no Redis, no environment."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.classifier import Classifier
    from models.registry import Registry

__all__ = ["Classifier", "Registry"]


def __getattr__(name: str) -> Any:
    """Import what is asked for, so that whoever wants the schema alone loads no classifier."""
    if name in __all__:
        return getattr(import_module(f"models.{name.lower()}"), name)
    raise AttributeError(f"module 'models' has no attribute {name!r}")
