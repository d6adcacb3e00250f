"""`cloudjhub open`: the hub in the browser."""

import webbrowser
from pathlib import Path

import click

from bootstrap.cli.options import file_option, site_of
from bootstrap.config.choices import Https
from bootstrap.machines.address import public_url
from bootstrap.operations.health.hub import pair_of


@click.command("open")
@file_option
@click.option("--print", "only_print", is_flag=True, help="Print the address, and open nothing.")
def open_(file: Path, only_print: bool) -> None:
    """Open the hub in the browser. Prints its address where there is none."""
    site = site_of(file)
    url = public_url(site.settings, site.place())
    pair = pair_of(site) if site.settings.manager.https is Https.SELF_SIGNED else None
    if pair:
        click.echo(
            "The browser does not know the hub's own certificate: go on only if the SHA-256 fingerprint that it shows"
            f" is\n  {in_pairs(pair.fingerprint)}",
            err=True,
        )
    if only_print or not webbrowser.open(url):
        click.echo(url)


def in_pairs(fingerprint: str) -> str:
    """As browsers show it: AB:CD:…"""
    digits = fingerprint.upper()
    return ":".join(digits[start : start + 2] for start in range(0, len(digits), 2))
