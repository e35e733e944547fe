"""Builds in a shell whose variables would lead the libraries elsewhere."""

from services.demo.archive import MadeUpArchive
from tests.acceptance.builds import SMALL_SHARDS, NewPlace, Place, pile_of
from tests.acceptance.small_archives import VARIED_SOURCES
from tests.foreign_environment import EVERYTHING
from tests.s3_server.server import S3Server

_EXCUSE = "have no effect on spikemill; its own settings are"


def foreign_lines(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if any(name in line for name in EVERYTHING)]


def test_no_foreign_variable_changes_a_build_and_one_line_names_those_that_would(
    varied_place: Place, undisturbed: dict[str, str]
) -> None:
    varied_place.environment = EVERYTHING
    built = varied_place.build(*SMALL_SHARDS)
    assert built.returncode == 0, built
    assert pile_of(varied_place.home) == undisturbed
    [line] = foreign_lines(built.stderr)
    assert line.endswith(f"{_EXCUSE} SPIKEMILL_BROKER_URL and SPIKEMILL_DATABASE_URL.")
    assert {"CELERY_BROKER_URL", "PGCHANNELBINDING", "PGHOSTADDR", "PGSERVICE"} <= set(
        line.replace(",", " ").split()
    )
    logs = "".join(path.read_text() for path in varied_place.home.log("sweeper").parent.iterdir())
    assert foreign_lines(logs) == []


def test_a_store_with_its_own_key_asks_nothing_of_a_login_to_aws(
    new_place: NewPlace, varied: MadeUpArchive, s3: S3Server, s3_prefix: str
) -> None:
    own = {"SPIKEMILL_STORE_ACCESS_KEY_ID": s3.key_id, "SPIKEMILL_STORE_SECRET_ACCESS_KEY": s3.secret}
    place = new_place(varied, *VARIED_SOURCES, environment={**s3.environment(s3_prefix), **EVERYTHING, **own})
    asked = place.run("verify", f"s3://{s3.bucket}/{s3_prefix}")
    assert "no pile" in asked.stderr.replace("There is no", "no"), asked
    [line] = foreign_lines(asked.stderr)
    assert "AWS_ENDPOINT_URL_S3" in line
    assert "SPIKEMILL_STORE_ENDPOINT" in line
