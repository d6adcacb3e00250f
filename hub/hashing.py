"""How JupyterHub hashes the secrets of its OAuth clients, each user's server among them."""

from jupyterhub.oauth import provider
from jupyterhub.utils import hash_token

AS_GOOD_AS_RANDOM = 32
"""Characters: JupyterHub's own tokens have so many, hexadecimal, and workers' have 64."""


def settle() -> None:
    """Long secrets are hashed once and not 16,384 times, as JupyterHub does with tokens that it generates.

    Rounds slow down those who guess, and nobody guesses a random token. A start hashes three times, in the event loop
    and for a millisecond and more each: a tenth of what a class that logs in costs the hub.
    """
    provider.hash_token = client_secret_hash


def client_secret_hash(secret: str) -> str:
    """In the form that JupyterHub compares with: algorithm, rounds, salt and digest."""
    return str(hash_token(secret, rounds=1) if len(secret) >= AS_GOOD_AS_RANDOM else hash_token(secret))
