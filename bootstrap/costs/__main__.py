"""`python -m bootstrap.costs`: what a sample cluster costs; `--table` and `--prices`: tables of docs/costs.md."""

import argparse
from dataclasses import replace

from bootstrap.costs.advice import expected_advice
from bootstrap.costs.model import monthly, total
from bootstrap.costs.tables import SAMPLE, egress_table, prices_table, render, render_advice


def main() -> None:
    """Print the bill of a class, or the table of the ways to the internet."""
    parser = argparse.ArgumentParser(prog="python -m bootstrap.costs", description=__doc__)
    parser.add_argument("--table", action="store_true", help="compare the ways to the internet, as Markdown")
    parser.add_argument("--prices", action="store_true", help="each price with its source, as Markdown")
    parser.add_argument("--users", type=int, default=SAMPLE.users)
    parser.add_argument("--hours", type=float, default=SAMPLE.hours, help="hours each user works a month")
    given = parser.parse_args()
    sample = replace(SAMPLE, users=given.users, hours=given.hours)
    if given.prices:
        print(prices_table())
    else:
        print(egress_table() if given.table else render(monthly(sample)))
    if not given.prices and not given.table:
        print("\n" + render_advice(expected_advice(sample), total(monthly(sample))))


if __name__ == "__main__":
    main()
