"""The moderators' console under ``/console``."""
