"""The OpenAI surface: from a client's call to the last byte of its answer."""
