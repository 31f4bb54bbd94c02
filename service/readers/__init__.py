"""Pages for readers: report a comment, see what became of it, object to a decision."""
