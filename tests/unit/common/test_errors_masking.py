"""No secret reaches a text that people read."""

import pytest

from spikemill.services.common.errors import hide, hide_environment, masked, readable
from spikemill.services.common.settings import settings

_WORD = "s3cr3t-and/odd=="


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgresql://me:{_WORD}@host/name", "postgresql://host/name"),
        (f"redis://:{_WORD}@redis:6379/0 is away", "redis://redis:6379/0 is away"),
        (f"host=db user=me password={_WORD} dbname=x", "host=db user=me password=*** dbname=x"),
        (
            f"/a/b.nwb?X-Amz-Credential=AKIA{_WORD}&X-Amz-Signature={_WORD} gone",
            "/a/b.nwb?X-Amz-Credential=***&X-Amz-Signature=*** gone",
        ),
        (f"https://storage:443/a/b.nwb?X-Amz-Signature={_WORD} gone", "https://storage:443/a/b.nwb gone"),
        (f"GET /x\nAuthorization: Basic {_WORD}\nAccept: */*", "GET /x\nAuthorization: ***\nAccept: */*"),
        (f"{{'authorization': b'Bearer {_WORD}', 'a': 1}}", "{'authorization': b'***', 'a': 1}"),
        (f"curl -H 'Bearer {_WORD}'", "curl -H 'Bearer ***'"),
        (f"AWS_SECRET_ACCESS_KEY={_WORD}", "AWS_SECRET_ACCESS_KEY=***"),
        (f'{{"token": "{_WORD}"}}', '{"token": "***"}'),
        ("login with hf_AbCdEfGhIjKlMn failed", "login with *** failed"),
    ],
)
def test_what_looks_like_a_secret_is_left_out(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/api/dandisets/",
        "redis+socket:///tmp/spikemill-x/broker.sock?virtual_host=0",
        "https://host:443/sub-1/me@home.nwb",
        "Set SPIKEMILL_FLOWER_PASSWORD: without it nobody may look.",
        "vcn: 32 sessions, 36,681,686,005 tokens; token ledger: 1",
        "sub-1/a_probe-A.nwb: no units table",
    ],
)
def test_what_does_not_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_a_setting_that_is_secret_is_hidden_wherever_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEMILL_DATABASE_URL", "postgresql://me:p%40ss-of-ledger@host/name")
    monkeypatch.setenv("SPIKEMILL_FLOWER_PASSWORD", "word-of-flower")
    settings.cache_clear()
    settings()
    settings.cache_clear()
    assert masked("p%40ss-of-ledger p@ss-of-ledger word-of-flower") == "*** *** ***"


def test_what_libraries_take_from_the_environment_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key-of/storage+")
    hide_environment()
    assert masked("signed with key-of/storage+ or key-of%2Fstorage%2B") == "signed with *** or ***"


def test_a_short_word_is_not_hidden_for_it_may_be_any_word() -> None:
    hide(["vcn"])
    assert masked("vcn is listed") == "vcn is listed"


def test_an_error_tells_no_secret_and_a_lack_of_memory_its_remedy() -> None:
    assert readable(ValueError(f"no https://host/a?sig={_WORD}")) == "ValueError: no https://host/a"
    assert readable(MemoryError("Unable to allocate 3 GiB.")) == (
        "MemoryError: Unable to allocate 3 GiB. Give the workers more memory, "
        "or let fewer of them run on this machine; then retry."
    )
