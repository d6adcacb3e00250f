"""`python -m bootstrap.costs`: what a sample cluster costs; with options, the tables of docs/costs.md."""

import argparse
from dataclasses import replace

from bootstrap.costs.advice import expected_advice
from bootstrap.costs.goals import goals_table
from bootstrap.costs.model import monthly, total
from bootstrap.costs.tables import SAMPLE, compared_egress, egress_table, prices_table, render, render_advice


def main() -> None:
    """Print the bill of a class, or the table of the ways to the internet."""
    parser = argparse.ArgumentParser(prog="python -m bootstrap.costs", description=__doc__)
    parser.add_argument("--table", action="store_true", help="compare the ways to the internet, as Markdown")
    parser.add_argument("--prices", action="store_true", help="each price with its source, as Markdown")
    parser.add_argument(
        "--goals", action="store_true", help="the defaults before, now, and their goals, as Markdown"
    )
    parser.add_argument("--users", type=int, default=SAMPLE.users)
    parser.add_argument("--hours", type=float, default=SAMPLE.hours, help="hours each user works a month")
    given = parser.parse_args()
    sample = replace(SAMPLE, users=given.users, hours=given.hours)
    tables = {"prices": prices_table, "table": egress_table, "goals": goals_table}
    if asked := [table for name, table in tables.items() if getattr(given, name)]:
        print("\n\n".join(table() for table in asked))
        return
    items = monthly(sample)
    print(render(items), compared_egress(sample), sep="\n")
    if advised := expected_advice(sample):
        print("\n" + render_advice(advised, total(items)))


if __name__ == "__main__":
    main()
