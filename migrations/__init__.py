"""The schema's history: the same revisions run on SQLite and Postgres, forward and back."""
