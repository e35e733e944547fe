"""Identifiers that are made from what they name, so that they are the same on every machine."""

import uuid

from services.common.types import canonical_json

_NAMESPACE = uuid.UUID("7c1f6f3e-0d53-5a0e-9a4c-2f5b8d1e6a70")


def fixed_uuid(*parts: str) -> str:
    """Return the UUID (version 5) of some texts."""
    return str(uuid.uuid5(_NAMESPACE, canonical_json(parts).decode()))
