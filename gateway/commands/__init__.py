"""One file per command of `gateway`; `gateway.cli` loads the one that is asked for."""
