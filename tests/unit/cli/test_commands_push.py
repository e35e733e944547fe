"""`spikemill push` says no before it asks a hub anything."""

from pathlib import Path

import pytest

from spikemill.services.cli.commands import push
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings
from standins.hub.server import serve_hub
from tests.unit.merger.generated_piles import make_sessions, write_pile


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_pile_of_a_source_that_may_not_be_published_is_refused_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool
) -> None:
    write_pile(tmp_path / "pile", make_sessions(tmp_path / "store"))
    papers = tmp_path / "pile" / "provenance.jsonl"
    papers.write_text(papers.read_text().replace('"redistributable":true', '"redistributable":false', 1))
    with serve_hub(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        settings.cache_clear()
        with pytest.raises(
            CallError, match=r"^shield: the catalogue does not say redistributable = true"
        ) as no:
            push(str(tmp_path / "pile"), "lab/pile", dry_run=dry_run)
        assert hub.requests() == []
    assert "--push" not in str(no.value)
