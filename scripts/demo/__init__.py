"""`make demo`: a chat with the bot, without an account anywhere."""
