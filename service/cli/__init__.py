"""The command ``hakam``, a file for each group of commands."""
