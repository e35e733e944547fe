"""What each process loads when it starts: what it uses, and nothing that only others use."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# Large packages; what is not listed here loads in a few milliseconds.
HEAVY = {
    *("alembic", "boto3", "celery", "dandi", "dandischema", "datasets", "duckdb", "flower", "fsspec", "h5py"),
    *("httpx", "huggingface_hub", "kombu", "matplotlib", "moto", "numpy", "pandas", "PIL", "polars"),
    *("prometheus_client", "prompt_toolkit", "psycopg", "pyarrow", "pydantic", "pynwb", "redis", "requests"),
    *("scipy", "sqlalchemy", "thriftpy2", "wcmatch"),
}
# A worker's own processes connect, not the process that starts them: it loads neither psycopg nor redis.
WORKER = {"celery", "kombu", "pydantic", "sqlalchemy"}
LOADED = {
    "spikemill.services.cli.entry": set(),
    "spikemill.services.cli.main": set(),
    "spikemill.services.cli.commands": set(),
    "spikemill.services.cli.build": {"psycopg", "pydantic", "redis", "sqlalchemy"},
    "spikemill.services.common.worker.health": {"psycopg", "pydantic"},
    "spikemill.services.common.migrate": {"psycopg", "pydantic", "sqlalchemy"},
    "spikemill.services.sweeper.__main__": {*WORKER, "prometheus_client", "redis"},
    "spikemill.services.common.worker.kinds": {"sqlalchemy"},
    "spikemill.services.downloader.tasks": {*WORKER, "dandi", "dandischema", "httpx", "requests", "wcmatch"},
    "spikemill.services.binner.tasks": {*WORKER, "h5py", "numpy", "pyarrow"},
    "spikemill.services.merger.tasks": {*WORKER, "numpy", "pyarrow", "thriftpy2"},
    "spikemill.services.flower.health": {"pydantic"},
    "deploy.bootstrap.__main__": set(),
}


@pytest.mark.parametrize("module", LOADED)
def test_a_process_loads_only_what_it_uses(module: str) -> None:
    assert loaded_by(f"import {module}") & HEAVY <= LOADED[module]


def test_the_help_of_no_command_loads_what_carries_it_out() -> None:
    code = """
from typer.main import get_command
from spikemill.services.cli.main import app
group = get_command(app)
for name, command in group.commands.items():
    with command.make_context(name, ["--help"], resilient_parsing=True) as context:
        command.get_help(context)
"""
    # Typer itself reads arguments with pydantic.
    assert loaded_by(code) & HEAVY <= {"pydantic"}


def test_a_build_loads_nothing_that_its_workers_do_for_it() -> None:
    """The command starts, asks and watches: it neither reads, draws, merges nor pushes."""
    code = """
from pathlib import Path
from spikemill.services.cli import commands
from spikemill.services.common.errors import CallError
try:
    commands.build(["a"], catalog="nowhere.toml", home=Path("/nowhere"))
except CallError:
    pass
"""
    assert loaded_by(code) & HEAVY <= {"psycopg", "pydantic", "redis", "sqlalchemy"}


def test_a_row_is_made_without_pandas_though_it_is_installed() -> None:
    """Arrow loads pandas as soon as it converts a Python value: a second of each process's start."""
    code = """
import numpy as np
from spikemill.services.common.parquet_schema import one_row
from spikemill.services.merger.parquet_concat import expected_footer
row = one_row(np.ones((2, 3), np.uint8), "mouse", "day", "segment_0", "maze")
assert row.column(0).to_string() and expected_footer()
"""
    assert loaded_by(code) & {"pyarrow", "pandas"} == {"pyarrow"}


def loaded_by(code: str) -> set[str]:
    """Return the names of all modules that a process has loaded once it has run the code."""
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"],
        env={**os.environ, "SPIKEMILL_BROKER_URL": "redis://127.0.0.1/0"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(ended.stdout.split())
