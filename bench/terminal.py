"""Tables of a run, as a terminal shows them."""

from rich.table import Table as RichTable

from bench.report import Table


def in_terminal(table: Table) -> RichTable:
    columns, lines = table
    shown = RichTable()
    for number, column in enumerate(columns):
        shown.add_column(column, justify="right" if number else "left")
    for line in lines:
        shown.add_row(*line)
    return shown
