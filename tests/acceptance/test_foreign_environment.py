"""Builds in a shell whose variables would lead the libraries elsewhere."""

import re

from tests.acceptance.builds import Place, pile_of
from tests.environments.foreign_environment import EVERYTHING

_NAMES = re.compile(rf"\b({'|'.join(EVERYTHING)})\b")


def foreign_lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if _NAMES.search(line)]


def test_no_foreign_variable_changes_a_build_and_one_line_names_those_that_would(
    varied_place: Place, undisturbed: dict[str, str]
) -> None:
    varied_place.environment = EVERYTHING
    # A Python of its own: a variable counts when the library that reads it is loaded.
    with varied_place.building() as build:
        assert build.end() == 0
    assert pile_of(varied_place.home) == undisturbed
    [line] = foreign_lines(build.output.read_text())
    assert line.endswith("SPIKEMILL_BROKER_URL and SPIKEMILL_DATABASE_URL.")
    assert {"CELERY_BROKER_URL", "PGCHANNELBINDING", "PGHOSTADDR", "PGSERVICE"} <= {*_NAMES.findall(line)}
    logs = "".join(path.read_text() for path in varied_place.home.log("sweeper").parent.iterdir())
    assert foreign_lines(logs) == []
