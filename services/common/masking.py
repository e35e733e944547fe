"""Keeps passwords, tokens and presigned links out of every text that people may read."""

import os
import re
from collections.abc import Iterable
from urllib.parse import quote

_MASK = "***"
# What is shorter may be a word of the language, and stands in few places but addresses.
_SHORTEST = 8
_SECRET_VARIABLES = (
    *("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"),
    *(
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    ),
)
_hidden: set[str] = set()

_PATTERNS = (
    # A presigned link is its query.
    (re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*"), r"\1"),
    # Where only its path is told, the rest of a signature.
    (re.compile(r"(?i)\b((?:X-Amz-)?(?:Signature|Credential)=)[^\s&'\"]+"), rf"\1{_MASK}"),
    # Credentials in an address; a colon may also stand before a port.
    (re.compile(r"://[^\s/:@'\"]*:(?!\d+[/?\s])[^\s@'\"]*@"), "://"),
    # A header, as in a request or in a dictionary that is shown.
    (
        re.compile(
            r"(?i)\b(authorization['\"]?\s*[:=,]\s*(?:b?['\"])?)(?:(?:basic|bearer|token)\s+)?[^\s'\",})]+"
        ),
        rf"\1{_MASK}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), rf"\1{_MASK}"),
    # A setting, a connection string, a parameter; a colon only in a dictionary, for texts use it too.
    (
        re.compile(
            r"(?i)\b(\w*(?:password|passwd|secret|token|access_key|api_key)(?:\s*=\s*|['\"]\s*:\s*)(?:b?['\"])?)"
            r"[^\s'\",;&})]+"
        ),
        rf"\1{_MASK}",
    ),
    # A token of the hub.
    (re.compile(r"\bhf_\w{8,}"), _MASK),
)


def hide(secrets: Iterable[str]) -> None:
    """Never show these texts in this process, wherever they may stand."""
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            _hidden.update((secret, quote(secret, safe="")))


def hide_environment() -> None:
    """Never show the secrets that libraries take from the environment."""
    hide(filter(None, map(os.environ.get, _SECRET_VARIABLES)))


def masked(text: str) -> str:
    """Return the text without its secrets."""
    for secret in _hidden:
        text = text.replace(secret, _MASK)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text
