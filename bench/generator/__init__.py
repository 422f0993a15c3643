"""The load generator, a process of its own: calls in a closed loop, streams at a given pace."""
