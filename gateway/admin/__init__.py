"""What admins see and decide of the gateway while it runs."""
