"""Figures of this gateway beside others: the same load, the same upstream, the same cores, one run.

`python -m bench` is the command (`make bench`). Programs here know the gateway only as its users
do: by its commands, its addresses and its processes. What must hold is tested elsewhere; here it
is timed.
"""
