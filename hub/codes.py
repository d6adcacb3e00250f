"""Codes with which the users on the list make their accounts, each good for one name."""

import base64
import hashlib
import hmac
import json

LETTERS = 16
"""Of 32 each: 80 bits, which nobody guesses over HTTP."""


def sign_up_code(key: str, cluster: str, name: str) -> str:
    """The code of a normalised name, like ABCD-EFGH-IJKL-MNOP. It follows from the key: nobody has to keep it."""
    message = json.dumps(["sign-up", cluster, name], ensure_ascii=True)
    digest = hmac.new(key.encode(), message.encode(), hashlib.sha256).digest()
    letters = base64.b32encode(digest).decode()[:LETTERS]
    return "-".join(letters[start : start + 4] for start in range(0, LETTERS, 4))


def is_code_of(told: str, key: str, cluster: str, name: str) -> bool:
    """Is this the name's code, however it is spaced and whichever case it is in?"""
    plain = "".join(told.split()).replace("-", "").upper()
    wanted = sign_up_code(key, cluster, name).replace("-", "")
    return hmac.compare_digest(plain.encode(errors="replace"), wanted.encode())
