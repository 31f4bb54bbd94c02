"""What to do with a score: policy, review queue, console, and telling the site."""
