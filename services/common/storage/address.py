"""Where a store of objects stands: `s3://bucket/prefix` taken apart, and the server that holds it."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from services.common.errors import CallError

SCHEME = "s3://"
_FORM = re.compile(r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9])(?:/(?P<prefix>.*))?")
_UNFIT = re.compile(r"[^\w.=/-]|(?:^|/)\.{0,2}(?:/|$)")


@dataclass(frozen=True, slots=True)
class ObjectAddress:
    """A part of a bucket: all keys that begin with the prefix, of a server that is not AWS if it is named."""

    bucket: str
    prefix: str
    endpoint: str | None = None

    def __str__(self) -> str:
        """Return the address as people write it."""
        return f"{SCHEME}{self.bucket}/{self.prefix}".removesuffix("/")

    @property
    def server(self) -> str:
        """The server, as people call it."""
        return self.endpoint or "AWS"

    def key(self, name: str) -> str:
        """Return the key of a name in the store."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def name(self, key: str) -> str:
        """Return the name of a key."""
        return key[len(self.key("")) :]


def is_object_address(text: str) -> bool:
    """Tell whether the text names objects of a server, not a folder."""
    return text.startswith(SCHEME)


def parse_address(text: str, endpoint: str | None) -> ObjectAddress:
    """Take `s3://bucket/prefix` apart; raises `CallError` for what is none, without repeating a password."""
    found = _FORM.fullmatch(text)
    prefix = "" if found is None else (found["prefix"] or "").removesuffix("/")
    if found is None or (prefix and _UNFIT.search(prefix)):
        raise CallError(
            "SPIKEMILL_STORE: write an object store as s3://bucket/prefix, in plain letters, digits, dots, "
            "dashes and underscores; credentials do not belong there."
        )
    return ObjectAddress(found["bucket"], prefix, None if endpoint is None else _server(endpoint))


def _server(endpoint: str) -> str:
    """Return the address of a server; one with credentials or a path is refused."""
    parts = urlsplit(endpoint)
    is_server = parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
    if not is_server or parts.path not in ("", "/") or parts.query or parts.fragment:
        raise CallError(
            "SPIKEMILL_STORE_ENDPOINT: write the store's server as https://host:port; neither a path nor a "
            "password belongs there."
        )
    return f"{parts.scheme}://{parts.netloc}"
