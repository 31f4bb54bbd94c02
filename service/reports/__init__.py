"""Statistics about moderation: for the people of a site, the public and the authorities."""
