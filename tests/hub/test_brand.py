"""An institution's name, colour and logo: what can be read, and what cannot run."""

import struct

import pytest

from hub.config.brand import LARGEST_LOGO, PNG, SVG, Brand, color_in, contrast, line_in, logo_in

DRAWN = b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">%s</svg>'


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + b"\x08\x06"


@pytest.mark.parametrize(
    ("color", "least", "most"),
    [("#000000", 21, 21), ("#ffffff", 1, 1), ("#767676", 4.54, 4.55), ("#777777", 4.47, 4.48)],
)
def test_the_contrast_with_white_is_that_of_wcag(color: str, least: float, most: float) -> None:
    """https://webaim.org/resources/contrastchecker/ has the same."""
    assert least <= round(contrast(color), 4) <= most


@pytest.mark.parametrize("color", ["#767676", "#B34A0A", "#1d5a8a", "#000000"])
def test_a_colour_on_which_white_can_be_read(color: str) -> None:
    assert color_in(color) == color.lower()


@pytest.mark.parametrize(
    ("color", "why"),
    [
        ("#777777", "white text on it has a contrast of 4.47:1, and 4.5:1 is the least"),
        ("#f37524", "too light"),
        ("red", "six hexadecimal digits"),
        ("#abc", "six hexadecimal digits"),
        ("#1d5a8a; } body { display: none", "six hexadecimal digits"),
        ("#1d5a8a\n", "six hexadecimal digits"),
        ("#\uff11d5a8a", "six hexadecimal digits"),
    ],
)
def test_a_colour_that_is_refused(color: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        color_in(color)


def test_the_darker_colour_is_four_fifths() -> None:
    assert (Brand().accent, Brand().darker) == ("#b34a0a", "#8f3b08")
    assert Brand(color="#000a05").darker == "#000804"


@pytest.mark.parametrize("text", ["", " ", "two\nlines", "a\u202eb", "x" * 41, 5])
def test_a_text_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match=r"one line|the most"):
        line_in(text, 40)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (png(1, 1), PNG),
        (png(2000, 2000), PNG),
        (DRAWN % b"", SVG),
        (b'<?xml version="1.0"?>\n' + DRAWN % b'<path d="M0 0h9" fill="url(#a)" style="fill: red"/>', SVG),
        (DRAWN % b'<style>.a { fill: url(#b) }</style><use xlink:href="#c"/>', SVG),
        (DRAWN % b'<image href="data:image/png;base64,AAAA"/>', SVG),
    ],
)
def test_a_picture_that_is_shown(content: bytes, kind: str) -> None:
    found = logo_in(content)
    assert (found.kind, found.content) == (kind, content)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a",
        b"<html></html>",
        png(2001, 10),
        png(0, 10),
        png(1, 1)[:20],
        b"\x89PNG\r\n\x1a\n" + b"<svg/>",
        b"<svg>",
        b"<svg/>",
        DRAWN % (b" " * LARGEST_LOGO),
        b"<!DOCTYPE svg>" + DRAWN % b"",
        b'<!doctype svg [<!ENTITY a "b">]>' + DRAWN % b"&a;",
        (b"<!DOCTYPE svg>" + DRAWN % b"").decode().encode("utf-16"),
        DRAWN % b"<script>alert(1)</script>",
        DRAWN % b"<g><SCRIPT/></g>",
        DRAWN % b"<foreignObject/>",
        DRAWN % b'<h:script xmlns:h="http://www.w3.org/1999/xhtml"/>',
        DRAWN % b'<set attributeName="onload" to="alert(1)"/>',
        DRAWN % b'<g onload="alert(1)"/>',
        DRAWN % b'<g ONLOAD="alert(1)"/>',
        DRAWN % b'<a href="javascript:alert(1)"/>',
        DRAWN % b'<a xlink:href="https://example.org"/>',
        DRAWN % b'<image href="data:image/svg+xml;base64,AAAA"/>',
        DRAWN % b'<use href="//example.org/a.svg#b"/>',
        DRAWN % b'<g style="background: url(https://example.org/a.png)"/>',
        DRAWN % b'<style>@import "https://example.org/a.css";</style>',
        DRAWN % b"<style>g { fill: url( 'https://example.org/a') }</style>",
        DRAWN % b"<style>g { fill: ur\\6c(https://example.org/a) }</style>",
    ],
    ids=range(28),
)
def test_a_picture_that_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(is|has) "):
        logo_in(content)
