"""People's accounts: their own keys, registration, administration, and what a block cuts."""
