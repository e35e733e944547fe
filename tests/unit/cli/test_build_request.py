"""From a catalogue and options to what is asked of the ledger."""

from pathlib import Path

import pytest

from spikemill.services.cli.build import BuildOptions, build_request, named_catalogue
from spikemill.services.common.catalog import Catalogue, load_catalogue
from spikemill.services.common.errors import CallError
from spikemill.services.common.settings import settings

CATALOGUE = """
[pile]
name = "lab"
notes = "{notes}"

[[source]]
name = "here"
archive = "files"
identifier = "recordings"
citation = "{citation}"
expect = {{ tokens = {tokens} }}
"""


def catalogue(folder: Path, *, notes: str = "n", citation: str = "c", tokens: int = 1) -> Catalogue:
    """Write a catalogue and load it."""
    (folder / "recordings").mkdir(exist_ok=True)
    path = folder / "lab.toml"
    path.write_text(CATALOGUE.format(notes=notes, citation=citation, tokens=tokens))
    return load_catalogue(path)


def test_texts_make_another_release_of_the_same_sources(tmp_path: Path) -> None:
    plain = build_request(catalogue(tmp_path), BuildOptions())
    for changed in ({"notes": "other"}, {"citation": "other"}):
        request = build_request(catalogue(tmp_path, **changed), BuildOptions())  # type: ignore[arg-type]
        assert request.sources[0].digest == plain.sources[0].digest
        assert request.parameters != plain.parameters


def test_expected_figures_change_nothing_but_themselves(tmp_path: Path) -> None:
    plain = build_request(catalogue(tmp_path), BuildOptions())
    request = build_request(catalogue(tmp_path, tokens=2), BuildOptions())
    assert request.parameters == plain.parameters
    assert request.sources[0].expected == {"tokens": 2}


def test_a_changed_folder_is_another_source(tmp_path: Path) -> None:
    plain = build_request(catalogue(tmp_path), BuildOptions())
    (tmp_path / "recordings" / "new.nwb").write_bytes(b"")
    assert build_request(catalogue(tmp_path), BuildOptions()).sources[0].digest != plain.sources[0].digest


def test_a_catalogue_is_named_by_the_call_or_by_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    assert named_catalogue("demo", None).pile.name == "demo"
    assert [source.name for source in named_catalogue("demo", ["demo-probes"]).sources] == ["demo-probes"]
    monkeypatch.setenv("SPIKEMILL_CATALOG", "demo")
    settings.cache_clear()
    assert named_catalogue(None, []).pile.name == "demo"
    monkeypatch.delenv("SPIKEMILL_CATALOG")
    settings.cache_clear()
    with pytest.raises(CallError, match="Name a catalogue"):
        named_catalogue(None, None)


def test_the_order_of_sources_makes_no_other_release() -> None:
    demo = load_catalogue("demo")
    turned = demo.model_copy(update={"sources": demo.sources[::-1]})
    assert build_request(demo, BuildOptions()) == build_request(turned, BuildOptions())


def test_the_pile_of_the_catalogue_says_how_rows_become_it(tmp_path: Path) -> None:
    catalogue(tmp_path)
    lab = tmp_path / "lab.toml"
    lab.write_text(lab.read_text().replace("[pile]", '[pile]\nshard_bytes = 7\nsplit_by = "subject"'))
    asked = build_request(load_catalogue(lab), BuildOptions()).parameters
    assert {key: value for key, value in asked.items() if key != "texts"} == {
        "seed": 0,
        "split_by": "subject",
        "test_fraction": 0.01,
        "shard_bytes": 7,
        "shard_tokens": 1_000_000_000,
    }


def test_a_source_that_is_not_taken_by_default_is_asked_for_by_its_name_alone() -> None:
    assert "ibl-2023" not in {source.name for source in named_catalogue("rodent", None).sources}
    assert [source.name for source in named_catalogue("rodent", ["ibl-2023"]).sources] == ["ibl-2023"]


def test_the_settings_name_sources_of_the_catalogue_that_they_name_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue(tmp_path)
    two = tmp_path / "two.toml"
    two.write_text(
        (tmp_path / "lab.toml").read_text()
        + '[[source]]\nname = "there"\narchive = "files"\nidentifier = "recordings"\n'
    )
    monkeypatch.setenv("SPIKEMILL_CATALOG", str(two))
    monkeypatch.setenv("SPIKEMILL_SOURCES", "there")
    settings.cache_clear()

    def names(name: str | None, *sources: str) -> list[str]:
        return [source.name for source in named_catalogue(name, sources).sources]

    try:
        assert names(None) == ["there"]
        assert names(None, "here") == ["here"]
        assert names(str(tmp_path / "lab.toml")) == ["here"]
    finally:
        settings.cache_clear()
