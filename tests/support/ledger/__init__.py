"""The ledger: proof that no answer is without a record, whatever fails.

`run` plays one run: the real programs, servers of their own, clients that note what they were
given, and a nemesis; then the books are compared. `python -m tests.support.ledger --help`.
"""
