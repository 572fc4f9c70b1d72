"""Ids of features: UUIDs of version 5, made of many names that begin alike."""

import uuid
from collections.abc import Iterable, Sequence
from hashlib import sha1

import numpy as np
from numpy.typing import NDArray

ID_NAMESPACE = uuid.UUID("6f1f2c7e-3a0b-5d0e-9a58-2c4b8c1d7e90")
"""Namespace of the ids of features."""
ID_LENGTH = 36
"""Characters of an id."""

_DIGEST_BYTES = 20
_UUID_FIELDS = ((0, 0, 8), (9, 8, 12), (15, 13, 16), (20, 17, 20), (24, 20, 32))
"""Where hexadecimal digits of the hash stand in a UUID: place, first digit, end."""
_VARIANT_AT, _VARIANT_DIGIT = 19, 16
_VARIANT = np.zeros(256, np.uint8)
"""First digit of a UUID's fourth group, by the digit that the hash has there."""
_VARIANT[list(b"0123456789abcdef")] = list(b"89ab" * 4)
_BLANK_ID = b"........-....-5...-....-............"


class NameDigests:
    """Hashes of names in our namespace; what all begin with is hashed once.

    Args:
        beginning: Of each name.
    """

    def __init__(self, beginning: str) -> None:
        self._hash = sha1(ID_NAMESPACE.bytes + beginning.encode(), usedforsecurity=False)

    def __call__(self, names: Iterable[bytes]) -> list[bytes]:
        """Return the digests of names, given without their beginning."""
        digests = []
        for name in names:
            named = self._hash.copy()
            named.update(name)
            digests.append(named.digest())
        return digests


def format_ids(digests: Sequence[bytes]) -> NDArray[np.uint8]:
    """Return the ids that digests make, in ASCII, ``(n, 36)``; all at once, as there are many."""
    digits = np.frombuffer(b"".join(digests).hex().encode(), np.uint8)
    digits = digits.reshape(-1, 2 * _DIGEST_BYTES)
    ids = np.tile(np.frombuffer(_BLANK_ID, np.uint8), (len(digests), 1))
    for place, first, end in _UUID_FIELDS:
        ids[:, place : place + end - first] = digits[:, first:end]
    ids[:, _VARIANT_AT] = _VARIANT[digits[:, _VARIANT_DIGIT]]
    return ids
