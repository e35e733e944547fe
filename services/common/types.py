"""What makes things the same everywhere: digests of canonical JSON, never of joined strings."""

import hashlib
import json
import unicodedata
from typing import Any, Literal

SplitBy = Literal["session", "subject", "row"]
"""What is never divided between train and test."""
FILE_NAME_DIGITS = 20
CHUNK_DIGITS = 16


def _normalised(value: Any) -> Any:
    """Return the value with every string in NFC, so that equal texts are equal bytes."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {_normalised(key): _normalised(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normalised(item) for item in value]
    return value


def canonical_json(value: Any) -> bytes:
    """Serialise as compact UTF-8 JSON with sorted keys and NFC strings."""
    text = json.dumps(_normalised(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8")


def digest(value: Any) -> str:
    """Return the sha256 (hex) of the value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def session_identity(source_version: str, key: str) -> str:
    """Return the identity of a session: its source version and its asset path, or its group's name."""
    return digest([source_version, key])


def chunk_name(source: str, identity: str, sha256: str) -> str:
    """Return where a session's chunk stands in the store: named by who it is and by what it holds."""
    return f"chunks/{source}/{identity[:FILE_NAME_DIGITS]}.{sha256[:CHUNK_DIGITS]}.parquet"


def sort_key(seed: int, source: str, subject: str, session: str, segment: str) -> str:
    """Return a row's place in the pile's order: it shuffles all sources without any global state."""
    return digest([seed, source, subject, session, segment])
