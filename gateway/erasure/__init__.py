"""Erasing a person: everything of theirs, but for what was counted."""
