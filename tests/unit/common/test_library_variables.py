"""Each variable that a library reads has its meaning in the documentation, or no effect."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES
from psycopg.pq import Conninfo

from spikemill.services.common.library_variables import (
    NAMED,
    WITH_MEANING,
    WITHOUT_EFFECT,
    notice,
    pass_over,
    without_effect,
)
from spikemill.services.common.settings import Settings
from tests.environments.environment_reads import variables_read_by
from tests.environments.foreign_environment import AWS_LOGIN, EVERYTHING

pytestmark = pytest.mark.slow

_PAGE = Path(__file__).parents[3] / "docs" / "one-machine.md"
_HEADING = "## Variables of libraries\n"

# By package: parts that no process of ours loads, and variables of the rest that lead no client elsewhere.
_READ: Mapping[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "psycopg": ((), frozenset()),
    "celery": (
        ("contrib/",),
        frozenset({"ITERM_PROFILE", "NO_COLOR", "TERM", "celery_dummy_proxy"}),
    ),
    "kombu": (("transport/SLMQ", "transport/gcpubsub"), frozenset()),
    "billiard": ((), frozenset({"NUMBER_OF_PROCESSORS"})),
    "flower": ((), frozenset({"PWD"})),
    "redis": ((), frozenset()),
    "botocore": ((), frozenset({"REQUESTS_CA_BUNDLE", "SSLKEYLOGFILE", "_X_AMZN_TRACE_ID"})),
    "boto3": ((), frozenset()),
    "s3transfer": ((), frozenset()),
    "huggingface_hub": (
        ("cli/", "inference/", "_webhooks_server", "_oauth", "_oidc"),
        frozenset(
            {
                *("CLAUDE_CONFIG_DIR", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OAUTH_SCOPES"),
                *("OPENID_PROVIDER_URL", "VERTEX_PRODUCT"),
                *("DISABLE_TELEMETRY", "DO_NOT_TRACK", "NO_COLOR", "TQDM_POSITION", "XDG_CACHE_HOME"),
            }
        ),
    ),
}


@pytest.mark.parametrize("package", _READ)
def test_what_the_installed_release_of_a_library_reads_is_decided(package: str) -> None:
    unused, harmless = _READ[package]
    read = variables_read_by(package, apart_from=unused)
    assert undecided(read - harmless) == []


def test_what_libpq_says_that_it_reads_has_no_effect() -> None:
    said = [default.envvar.decode() for default in Conninfo.get_defaults() if default.envvar is not None]
    assert {"PGHOSTADDR", "PGSERVICE", "PGCHANNELBINDING"} <= set(said)
    assert without_effect(said) == sorted(said)


def test_what_botocore_says_that_it_reads_is_decided() -> None:
    said = [entry[1] for entry in BOTOCORE_DEFAUT_SESSION_VARIABLES.values() if entry[1] is not None]
    names = [name for each in said for name in ([each] if isinstance(each, str) else each)]
    assert {"AWS_PROFILE", "AWS_MAX_ATTEMPTS"} <= set(names)
    assert undecided(names) == []


def undecided(names: Iterable[str]) -> list[str]:
    return sorted(set(names) - set(without_effect(names)) - {name for name in names if has_meaning(name)})


def has_meaning(name: str) -> bool:
    return any(
        re.fullmatch(pattern.replace("*", ".*"), name)
        for patterns in WITH_MEANING.values()
        for pattern in patterns
    )


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_each_goes_unless_it_has_a_meaning(name: str) -> None:
    environment = {name: EVERYTHING[name], "PATH": "/bin"}
    pass_over(environment)
    assert (name in environment) == has_meaning(name)
    assert environment["PATH"] == "/bin"


@pytest.mark.parametrize(
    "name",
    [
        *(
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
            "https_proxy",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
        ),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "HOME", "XDG_CACHE_HOME", "NO_COLOR"),
        *("TERM", "TMPDIR", "PAGER", "SPIKEMILL_STORE", "HF_ENDPOINT", "HF_TOKEN", "HF_HOME", *AWS_LOGIN),
    ],
)
def test_what_has_its_usual_meaning_stays(name: str) -> None:
    assert without_effect([name]) == []


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({}, None),
        ({"PGUSER": "me", "PGDATA": "/data", "AWS_REGION": "eu-west-1", "HF_DATASETS_CACHE": "/x"}, None),
        ({"PGPASSWORD": ""}, None),
        (
            {"PGSERVICE": "lab"},
            "PGSERVICE has no effect on spikemill; its own setting is SPIKEMILL_DATABASE_URL.",
        ),
        (
            {"PGSERVICE": "lab", "PGHOSTADDR": "::1", "CELERY_BROKER_URL": "redis://lab"},
            (
                "CELERY_BROKER_URL, PGHOSTADDR and PGSERVICE have no effect on spikemill; "
                "its own settings are SPIKEMILL_BROKER_URL and SPIKEMILL_DATABASE_URL."
            ),
        ),
        ({"AWS_ENDPOINT_URL_S3": "http://minio", "FLOWER_BASIC_AUTH": "me:my"}, None),
        (
            {"AWS_ENDPOINT_URL_S3": "http://minio", "SPIKEMILL_STORE": "s3://bucket/prefix"},
            "AWS_ENDPOINT_URL_S3 has no effect on spikemill; its own setting is SPIKEMILL_STORE_ENDPOINT.",
        ),
    ],
)
def test_what_may_have_been_meant_for_spikemill_is_named_in_one_line(
    said: dict[str, str], line: str | None
) -> None:
    pass_over(dict(said))
    assert notice() == line


def test_what_is_named_has_no_effect_and_its_setting_exists() -> None:
    assert without_effect(NAMED) == sorted(NAMED)
    settings = {f"SPIKEMILL_{name.upper()}" for name in Settings.model_fields}
    assert set(NAMED.values()) <= settings


def test_the_documentation_lists_what_the_code_knows() -> None:
    [section] = re.findall(rf"{_HEADING}(.*?)(?=^## |\Z)", _PAGE.read_text(), re.MULTILINE | re.DOTALL)
    rows = [
        line.split("|")[1:-1] for line in section.splitlines() if line.startswith(("| `", "| any other `"))
    ]
    meant, passed_over = (
        {
            name
            for row in rows
            if ("no effect" in row[2]) == is_without
            for name in re.findall(r"`(\S+?)`", row[0])
        }
        for is_without in (False, True)
    )
    usual = {name for name in meant if not without_effect([name]) and not has_meaning(name.replace("*", "x"))}
    assert passed_over == {pattern for patterns in WITHOUT_EFFECT.values() for pattern in patterns}
    assert meant - usual == {pattern for patterns in WITH_MEANING.values() for pattern in patterns}
    assert {"HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE"} <= usual
