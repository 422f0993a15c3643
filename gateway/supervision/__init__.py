"""The parts of `gateway serve`: the parent in `gateway.supervisor`, its children here."""
