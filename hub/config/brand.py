"""How an institution's hub looks: its name, accent colour, logo, and what the login page says. Pure."""

import re
import struct
from dataclasses import dataclass
from xml.etree import ElementTree

PRODUCT = "JupyterHub"
"""The name where the institution gives none."""
ACCENT = "#b34a0a"
"""JupyterHub's orange, darkened: its own has too little contrast with white."""
LONGEST_NAME, LONGEST_TEXT = 40, 500
COLOR = r"#[0-9a-fA-F]{6}"
LEAST_CONTRAST = 4.5
"""With white, for text of any size: https://www.w3.org/TR/WCAG21/#contrast-minimum."""
LARGEST_LOGO = 48 * 1024
"""Bytes: all that a page loads has 150 KB."""
LONGEST_SIDE = 2000
"""Pixels of a PNG."""
PNG, SVG = "image/png", "image/svg+xml"
_PNG_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_SVG = "{http://www.w3.org/2000/svg}"
_ACTIVE = (
    "script",
    "foreignobject",
    "handler",
    "listener",
    "iframe",
    "embed",
    "object",
    "audio",
    "video",
    "animate",
    "set",
)
"""Elements that run something, or change what others refer to."""
_OWN_REFERENCE = re.compile(r"#|data:image/(png|jpeg);base64,")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logo:
    """A picture that is safe to show."""

    kind: str
    """Its media type."""
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """What the hub's pages show; "" and None where the institution says nothing."""

    name: str = PRODUCT
    color: str = ""
    login_text: str = ""
    logo: Logo | None = None

    @property
    def accent(self) -> str:
        """The colour behind white text."""
        return self.color or ACCENT

    @property
    def darker(self) -> str:
        """The accent colour of what the pointer is on."""
        return "#" + "".join(f"{int(self.accent[at : at + 2], 16) * 4 // 5:02x}" for at in (1, 3, 5))


def contrast(color: str) -> float:
    """The contrast of a colour like #b34a0a with white, from 1 to 21, as WCAG calculates it."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def color_in(text: str) -> str:
    """A colour on which white text can be read. Raises ValueError that says what is wrong."""
    if not re.fullmatch(COLOR, text):
        raise ValueError("is not a colour: write six hexadecimal digits, like '#1d5a8a'")
    found = contrast(text)
    if found < LEAST_CONTRAST:
        raise ValueError(
            f"is too light: white text on it has a contrast of {int(found * 100) / 100}:1, and {LEAST_CONTRAST}:1 is "
            "the least: take a darker one"
        )
    return text.lower()


def line_in(text: str, longest: int) -> str:
    """A printable text on one line. Raises ValueError that says what is wrong."""
    if not isinstance(text, str) or not text.strip() or not text.isprintable():
        raise ValueError("is not a text on one line")
    if len(text) > longest:
        raise ValueError(f"has {len(text)} characters: {longest} is the most")
    return text


def logo_in(content: bytes) -> Logo:
    """The picture in a file. Raises ValueError that says why it is not shown."""
    if len(content) > LARGEST_LOGO:
        raise ValueError(f"is larger than {LARGEST_LOGO // 1024} KB: make it smaller")
    if content.startswith(_PNG_BEGIN) and len(content) >= 24:
        width, height = struct.unpack(">II", content[16:24])
        if not (0 < width <= LONGEST_SIDE and 0 < height <= LONGEST_SIDE):
            raise ValueError(f"has {width} × {height} pixels: {LONGEST_SIDE} is the most for a side")
        return Logo(kind=PNG, content=content)
    _check_svg(content)
    return Logo(kind=SVG, content=content)


def _check_svg(content: bytes) -> None:
    # Before the parser sees them: entities can grow without end, and name other files.
    if b"<!DOCTYPE" in content.upper() or b"<!ENTITY" in content.upper() or b"\x00" in content:
        raise ValueError("is neither a PNG nor an SVG without a DOCTYPE: save it as plain SVG or PNG")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 -- has no entities, and is the operator's own
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"is neither a PNG nor an SVG: {error}") from error
    if root.tag != f"{_SVG}svg":
        raise ValueError("is neither a PNG nor an SVG")
    for element in root.iter():
        _check_element(element)


def _check_element(element: ElementTree.Element) -> None:
    name = str(element.tag).rpartition("}")[2]
    if name.lower() in _ACTIVE:
        raise ValueError(f"has an element <{name}>, which can run something: save it as plain SVG")
    if name.lower() == "style":
        _check_style(element.text or "")
    for attribute, value in element.attrib.items():
        short = attribute.rpartition("}")[2].lower()
        if short.startswith("on") or (short in ("href", "src") and not _OWN_REFERENCE.match(value)):
            raise ValueError(f"has an attribute {short} that runs or loads something: save it as plain SVG")
        _check_style(value)


def _check_style(text: str) -> None:
    loads = [found for found in re.findall(r"url\(\s*['\"]?([^)]*)", text, re.I) if not found.startswith("#")]
    if loads or "@import" in text.lower() or "\\" in text:
        raise ValueError("has a style that loads something: save it as plain SVG")
