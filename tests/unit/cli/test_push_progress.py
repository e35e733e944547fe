"""How far a push is: a line for each shard, and a bar on a terminal."""

from io import StringIO

import pytest
from rich.console import Console

from spikemill.services.cli.push import push_progress
from spikemill.services.merger.hub.upload import ShardStep

STEPS = [ShardStep("data/a", 1, 2, 2_000), ShardStep("data/b", 2, 2, 0)]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_each_shard_is_told_and_a_bar_is_for_terminals(*, is_terminal: bool) -> None:
    written = StringIO()
    console = Console(file=written, force_terminal=is_terminal, width=100, highlight=False)
    with push_progress(console, shards=2) as progress:
        for step in STEPS:
            progress.shard_done(step)
        progress.about_to_commit()
    told = "data/a: 2.0 kB sent\ndata/b: there already\n"
    if not is_terminal:
        assert written.getvalue() == told
        return
    assert all(line in written.getvalue() for line in told.splitlines())
    assert "Committing" in written.getvalue()
