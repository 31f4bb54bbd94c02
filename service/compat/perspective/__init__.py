"""Google's Perspective API: routes, messages, errors, and the description for its clients."""
