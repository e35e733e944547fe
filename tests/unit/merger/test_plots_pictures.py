"""Pictures of a pile's sources: small, the same each time, and of few shards."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from spikemill.services.common.catalog.tables import MergeParameters
from spikemill.services.common.errors import DamagedOutputError
from spikemill.services.common.store import FolderStore
from spikemill.services.common.types import SessionKey
from spikemill.services.merger.plots import draw_pictures, picture_name, picture_paths
from spikemill.services.merger.provenance import (
    Provenance,
    StoredPile,
    parse_provenance,
    pile_in_folder,
    sources_in_shards,
)
from tests.unit.merger.generated_piles import (
    GeneratedSession,
    make_session,
    write_chunk,
    write_metadata,
    write_pile,
)

MANY_SHARDS = MergeParameters(seed=2, test_fraction=0, shard_bytes=2_000)


@pytest.fixture
def published(pile: Path) -> StoredPile:
    return pile_in_folder(pile)


@dataclass(frozen=True)
class CountedPile(StoredPile):
    """A pile that counts how often each of its shards is asked for."""

    asked: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """Give a file, and count it where it is a shard."""
        self.asked[name] += name.startswith("data/")
        with super().local(name) as path:
            yield path


def test_every_source_has_a_small_picture(published: StoredPile) -> None:
    pictures = draw_pictures(published)
    assert sorted(pictures) == ["shield", "vcn"]
    for content in pictures.values():
        assert imread(BytesIO(content), format="png").shape[:2] == (300, 500)
    assert pictures["shield"] != pictures["vcn"]


def test_every_picture_has_its_own_path_in_the_repository(published: StoredPile) -> None:
    paths = picture_paths(published.provenance)
    assert paths == {"shield": "pictures/shield.png", "vcn": "pictures/vcn.png"}
    assert paths.keys() == draw_pictures(published).keys()


def test_the_same_pile_has_the_same_pictures(published: StoredPile) -> None:
    assert draw_pictures(published) == draw_pictures(published)


def test_as_few_shards_are_read_as_hold_all_sources_and_each_once(tmp_path: Path) -> None:
    sizes = {"vcn": 40, "shield": 30, "rare": 1, "seldom": 2}
    sessions = [
        make_session(tmp_path / "store", SessionKey(source, "sub-1", "ses-1"), rows=rows)
        for source, rows in sizes.items()
    ]
    provenance = write_pile(tmp_path / "pile", sessions, MANY_SHARDS)
    held = sources_in_shards(provenance)
    pile = CountedPile(FolderStore(tmp_path / "pile"), ".")
    assert draw_pictures(pile).keys() == sizes.keys()
    asked = +pile.asked
    assert set(asked.values()) == {1}
    assert len(asked) < 4 < len(held)
    where_rare = {shard.name for shard, sources in held.items() if "rare" in sources}
    assert where_rare <= asked.keys()


def test_the_noisiest_row_is_still_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 800)).astype(np.uint8)
    session = GeneratedSession(SessionKey("vcn", "sub-1", "ses-1"), [noise], tmp_path)
    write_chunk(session.path, session.key, session.matrices)
    write_pile(tmp_path / "pile", [session], MergeParameters())
    assert len(draw_pictures(pile_in_folder(tmp_path / "pile"))["vcn"]) < 60_000


@pytest.mark.parametrize("source", ["../../README", "a b", "", "CON", "ä", "a" * 65, ".hidden"])
def test_a_name_that_no_catalogue_allows_is_no_name_of_a_file(source: str) -> None:
    stem = picture_name(source).removesuffix(".png")
    assert stem != source
    assert stem.isalnum()
    assert picture_name("demo-visual_2") == "demo-visual_2.png"


def test_a_shard_that_cannot_be_read_is_named(published: StoredPile, pile: Path) -> None:
    for shard in (pile / "data").iterdir():
        shard.write_bytes(b"PAR1")
    with pytest.raises(DamagedOutputError, match=r"^data/.*\.parquet cannot be read"):
        draw_pictures(published)


def test_a_source_without_the_rows_of_its_provenance_is_named(pile: Path) -> None:
    provenance = parse_provenance((pile / "provenance.jsonl").read_bytes())
    session = provenance.sessions[0].model_copy(update={"source": "unseen"})
    write_metadata(pile, Provenance(provenance.pile, (*provenance.sessions, session)))
    with pytest.raises(DamagedOutputError, match="No shard holds rows of unseen"):
        draw_pictures(pile_in_folder(pile))
