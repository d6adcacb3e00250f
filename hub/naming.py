"""Which user names are accepted, and what is made of them. A name never reaches a shell, a path or a slug.

Names are compared as text: canonically equivalent spellings (NFC) and upper and lower case are the same name,
everything else is another user. What cannot be told from another name by looking at it, or breaks a URL, is refused.
"""

import hashlib
import hmac
import json
import re
import unicodedata
from collections.abc import Mapping

LONGEST = 255
"""Bytes of UTF-8: of JupyterHub's name column, and quoted they still fit into a cookie's name."""

_CONTROL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# They have a meaning in URLs or in the scripts of JupyterHub's pages.
_UNUSABLE = frozenset("/\\?#%<>")
_PLAIN = re.compile(r"[^\w ._@+=:-]+")


def normalised(name: str) -> str:
    """The one spelling of a name that stands for all of its equivalent ones."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).lower())


def objection(name: str) -> str | None:
    """Why a normalised name is refused, in a sentence for its bearer; None if it is accepted."""
    if not name:
        return "A user name cannot be empty."
    if len(name.encode(errors="surrogatepass")) > LONGEST:
        return f"This user name is too long: at most {LONGEST} bytes are possible."
    if name != name.strip():
        return "A user name cannot begin or end with a space."
    if set(name) == {"."}:
        return "A user name cannot consist of dots alone."
    return _objection_to_characters(name)


def _objection_to_characters(name: str) -> str | None:
    for character in name:
        category = unicodedata.category(character)
        if category in _CONTROL:
            return f"This user name has an invisible or unknown character in it (U+{ord(character):04X})."
        if category == "Zs" and character != " ":
            return f"This user name has an unusual space in it (U+{ord(character):04X})."
        if character in _UNUSABLE:
            return f"A user name cannot have the character {character} in it."
    if unicodedata.normalize("NFKC", name) != name or normalised(name) != name:
        return "This user name has letters in it that look like others: write it with plain ones."
    return None


def client_token(request: Mapping[str, object], previous: str | None, generation: int) -> str:
    """The RunInstances token of a request (which carries cluster, worker, subnet and type), 64 ASCII characters.

    The same request after the same previous instance has the same token, so that EC2 launches it once.
    """
    known = json.dumps([request, previous, generation], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(known.encode()).hexdigest()


def worker_token(key: str, cluster: str, worker: str, instance_id: str) -> str:
    """The API token of a worker's server. It follows from the instance, so that a running one can be taken up again."""
    message = json.dumps([cluster, worker, instance_id], ensure_ascii=True)
    return hmac.new(key.encode(), message.encode(), hashlib.sha256).hexdigest()


def filter_value(name: str) -> str:
    """A value for EC2's filters that finds `name`, and perhaps others: its wildcards and their like are widened."""
    return _PLAIN.sub("*", name)
