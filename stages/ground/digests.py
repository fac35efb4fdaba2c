"""Digests of what JSON can hold, by which it is told whether something is still the same."""

import hashlib
import json

DIGITS = 16


def digest(*of: object) -> str:
    """In hexadecimal, so many digits; in what order an object's keys stand does not count."""
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:DIGITS]
