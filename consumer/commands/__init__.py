"""The commands of the program `consumer`, one per file."""
