"""Model providers: their credentials, which one to try next, and the wire to them."""
