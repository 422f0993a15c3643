"""The read side of usage: who used how many tokens of what, and when."""
