"""The read side of what was stored: records and the conversations that they form."""
