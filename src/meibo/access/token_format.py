"""How a token is written, made and taken apart (it is shown once and never stored).

    meibo_scim_<12 base62: key id>_<43 base62: secret><6 base62: CRC-32 of all before it>

The prefix lets secret scanners find a token that has leaked, the checksum lets them (and us) tell
a token from a typing error without asking the database, and a double click selects all of it. The
secret has 256 random bits, so a fast hash of it can be stored.
"""

import hashlib
import re
import secrets
from binascii import crc32
from dataclasses import dataclass

TOKEN_PREFIX = "meibo_scim_"  # noqa: S105 - the form, not a secret
TOKEN_PATTERN = r"meibo_scim_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}"  # noqa: S105 - the form, not a secret
"""The regular expression to give to secret scanners; ``token_id`` also checks the checksum."""

LENGTH = 73

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 12
_SECRET_LENGTH = 43
_SECRET_BITS = 256
_CHECKSUM_LENGTH = 6
_ID = slice(len(TOKEN_PREFIX), len(TOKEN_PREFIX) + _ID_LENGTH)
_SECRET = slice(_ID.stop + 1, _ID.stop + 1 + _SECRET_LENGTH)
_TOKEN = re.compile(TOKEN_PATTERN)


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made: ``text`` is for the administrator, ``hash`` for the database."""

    id: str
    text: str
    hash: str

    def __repr__(self) -> str:
        return f"<NewToken {self.id}>"  # never the secret


def new_token(token_id: str | None = None) -> NewToken:
    """A token with a new secret, and a new id unless one is given."""
    if token_id is None:
        token_id = "".join(secrets.choice(_ALPHABET) for _ in range(_ID_LENGTH))
    secret = _base62(secrets.randbits(_SECRET_BITS), _SECRET_LENGTH)
    unchecked = f"{TOKEN_PREFIX}{token_id}_{secret}"
    return NewToken(token_id, unchecked + checksum(unchecked), hash_of(secret))


def checksum(text: str) -> str:
    return _base62(crc32(text.encode("ascii")), _CHECKSUM_LENGTH)


def hash_of(secret: str) -> str:
    """SHA-256 of the secret in hexadecimal, which is all that is stored of it."""
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def take_apart(text: str) -> tuple[str, str] | None:
    """The id and the secret, or None when ``text`` is not a token or its checksum is wrong."""
    if len(text) != LENGTH or _TOKEN.fullmatch(text) is None:
        return None
    if checksum(text[: _SECRET.stop]) != text[_SECRET.stop :]:
        return None
    return text[_ID], text[_SECRET]


def _base62(number: int, length: int) -> str:
    digits: list[str] = []
    for _ in range(length):
        number, digit = divmod(number, 62)
        digits.append(_ALPHABET[digit])
    return "".join(reversed(digits))
