"""The HTTP API for machines under ``/v1``, and its OpenAPI document."""
