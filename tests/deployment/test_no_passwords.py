"""No file of the repository holds a password, a token or a key that could open anything."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.projects import CHECKOUT

# A private key, a key to AWS, a token of the hub, of GitHub.
KEYS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[\w+/=]{16}|\bAKIA[0-9A-Z]{16}\b|\bhf_[A-Za-z]{30}|\bgh[ps]_\w{36}"
)
IN_ADDRESS = re.compile(r"://[^/\s:@'\"]*:(?P<said>[^@\s/'\"]+)@")
IN_SETTING = re.compile(
    r"(?i)\b\w*(?:password|passwd|secret|token|requirepass|access_key)['\"]?\s*[:=]?\s+['\"]?(?P<said>[\w+/=-]{12,})['\"]?$",
    re.MULTILINE,
)
# Something to be put in there, by a person or by code.
LEFT_OPEN = re.compile(r"[A-Z]+|\{.+\}|\$.+")
SETTINGS = {".yml", ".yaml", ".toml", ".ini", ".sql", ".conf", ".env"}


def files() -> Iterator[tuple[Path, str]]:
    """Yield every text of the repository, but the locks."""
    ignored = {line.rstrip("/") for line in (CHECKOUT / ".gitignore").read_text().split()}
    for folder, folders, names in os.walk(CHECKOUT):
        folders[:] = set(folders) - ignored - {".git", "requirements"}
        for name in set(names) - ignored:
            path = Path(folder, name)
            if path.suffix != ".png":
                yield path.relative_to(CHECKOUT), path.read_text(errors="replace")


def passwords_in(text: str, form: re.Pattern[str]) -> list[str]:
    return [found["said"] for found in form.finditer(text) if not LEFT_OPEN.fullmatch(found["said"])]


def test_no_key_opens_anything() -> None:
    assert [str(place) for place, text in files() if KEYS.search(text)] == []


def test_no_address_has_a_password() -> None:
    # Tests make some up, to see that they are hidden.
    told = {str(place): text for place, text in files() if place.parts[0] != "tests"}
    assert "docker-compose.yml" in told
    assert {place: found for place, text in told.items() if (found := passwords_in(text, IN_ADDRESS))} == {}


def test_no_setting_is_a_password() -> None:
    told = {str(place): text for place, text in files() if place.suffix in SETTINGS}
    assert "compose.cluster.yml" in told
    assert {place: found for place, text in told.items() if (found := passwords_in(text, IN_SETTING))} == {}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (IN_ADDRESS, "SPIKEMILL_BROKER_URL: redis://:correct-horse@redis:6379/0"),
        (IN_SETTING, "  POSTGRES_PASSWORD: correcthorsebattery"),
        (IN_SETTING, "requirepass correcthorsebattery"),
    ],
)
def test_password_would_be_seen(form: re.Pattern[str], text: str) -> None:
    assert passwords_in(text, form)
