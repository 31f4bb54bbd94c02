"""Redis: connecting, translating its errors, durability and scripts."""
