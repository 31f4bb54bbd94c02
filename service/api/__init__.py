"""The HTTP API for machines: ``/v1``, health, metrics and the OpenAPI document.

``BLUEPRINTS`` is what the composition root registers.
"""

from service.api import queue, routes
from service.api.operation import api

__all__ = ["BLUEPRINTS", "queue", "routes"]

BLUEPRINTS = (api,)  # on which the modules of the routes have put them
