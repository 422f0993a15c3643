"""Records on their way out: the spool on this machine's disk, and the publisher that empties it."""
