"""What a catalogue may say, and how each mistake in it is told."""

import os
from pathlib import Path
from typing import Any

import pytest

from spikemill.services.binner.readers import make_reader
from spikemill.services.common.catalog import (
    Catalogue,
    DandiSource,
    FilesSource,
    Source,
    load_catalogue,
    source_from_record,
)
from spikemill.services.common.errors import CallError, CatalogueError
from spikemill.services.common.types import digest

PILE = '[pile]\nname = "rodent"\n'
DANDI = """
[[source]]
name = "vcn"
archive = "dandi"
identifier = "000021"
version = "0.210813.1807"
species = "mouse"
license = "LicenseRef-Allen"
redistributable = true
citation = "Allen Institute (2019)"
"""
FIGSHARE = DANDI.replace('"vcn"', '"mat"').replace('"dandi"', '"figshare"').replace("000021", "7739750")
FIGSHARE = FIGSHARE.replace('"0.210813.1807"', "2")
FILES = '\n[[source]]\nname = "lab"\narchive = "files"\nidentifier = "recordings"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rodent.toml"


def load(path: Path, text: str) -> Catalogue:
    path.write_text(text, encoding="utf-8")
    return load_catalogue(path)


def mistakes(path: Path, text: str) -> list[str]:
    """Return the lines of the refusal, each without the file's name, which it must begin with."""
    with pytest.raises(CatalogueError) as caught:
        load(path, text)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def test_a_short_entry_has_all_defaults(path: Path) -> None:
    (source,) = load(path, PILE + DANDI).sources
    assert isinstance(source, DandiSource)
    assert source.include == ("**/*.nwb",)
    assert (source.reader, source.fetch, source.origin) == ("nwb-units", "copy", "zero")
    assert (source.bin_size, source.max_hours) == (0.02, 48.0)
    assert not source.has_units


def test_every_key_is_read(path: Path) -> None:
    text = (
        PILE
        + 'notes = "about it"\n'
        + DANDI.replace('"0.210813.1807"', '"draft"\nallow_draft = true')
        + """api = "https://api.dandiarchive.org/api/"
include = ["sub-*/sub-*_ses-*.nwb"]
exclude = ["**/*_probe-*.nwb"]
group = "sub-[^/]+_ses-[^_]+"
has_units = true
reader = "nwb-units"
reader_options = {}
fetch = "copy"
bin_size = 1e-2
origin = "first-spike"
max_hours = 5
expect = { sessions = 32, subjects = 32, tokens = 36_681_686_005 }
"""
    )
    catalogue = load(path, text)
    (source,) = catalogue.sources
    assert catalogue.pile.notes == "about it"
    assert isinstance(source, DandiSource)
    assert source.api == "https://api.dandiarchive.org/api"
    assert source.expect is not None
    assert source.expect.tokens == 36_681_686_005
    assert (source.bin_size, source.max_hours, source.version) == (0.01, 5.0, "draft")


@pytest.mark.parametrize(
    ("reader", "options"),
    [
        ("nwb-units", '{ table = "processing/ecephys/units" }'),
        ("nwb-rates", '{ series = "acquisition/rates" }'),
        ("mat-spikes", "{ keep_absent = true }"),
    ],
)
def test_each_reader_takes_its_options(path: Path, reader: str, options: str) -> None:
    text = f'{PILE}{DANDI}reader = "{reader}"\nreader_options = {options}\n'
    (source,) = load(path, text).sources
    assert make_reader(source.reader, source.reader_options)


def test_a_folder_is_relative_to_the_catalogue(path: Path) -> None:
    (source,) = load(path, PILE + FILES).sources
    assert isinstance(source, FilesSource)
    assert source.folder == path.parent / "recordings"
    (source,) = load(path, PILE + FILES.replace("recordings", "/data/../lab")).sources
    assert source.identifier == "/lab"
    assert source.redistributable is False


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('version = "0.210813.1807"', 'version = "draft"', "version: a draft may change at any time"),
        ('version = "0.210813.1807"', "", "version: missing"),
        ('version = "0.210813.1807"', 'version = "newest"', "version: 'newest' is not a published version"),
        ('"000021"', '"21"', 'identifier: "21" is not valid'),
        ('"000021"', "21", "identifier: 21 was given, it must be a text in quotes"),
        ("redistributable = true", "", "redistributable: missing"),
        ("redistributable = true", 'redistributable = "yes"', 'redistributable: "yes" was given'),
        ('species = "mouse"', 'species = ""', "species: this must not be empty"),
        ('"mouse"', '"mouse"\nbin_size = 0', "bin_size: 0 was given, it must be greater than 0"),
        ('"mouse"', '"mouse"\nbin_size = 20', "bin_size: 20 was given, it must be less than 10"),
        ('"mouse"', '"mouse"\nbin_size = nan', "bin_size: NaN was given, it must be"),
        ('"mouse"', '"mouse"\nbin_size = "0.02"', 'bin_size: "0.02" was given, it must be a valid number'),
        ('"mouse"', '"mouse"\nmax_hours = -1', "max_hours: -1 was given, it must be greater than 0"),
        ('"mouse"', '"mouse"\ninclude = []', "include: at least one is needed"),
        ('"mouse"', '"mouse"\ninclude = "*.nwb"', 'include: "*.nwb" was given, it must be a list in [ ]'),
        ('"mouse"', '"mouse"\nexclude = ["a", ""]', "exclude[1]: this must not be empty"),
        ('"mouse"', '"mouse"\ngroup = "(ses"', "group: '(ses' is not a regular expression: missing )"),
        ('"mouse"', '"mouse"\ngroup = "(ses)?"', "group: '(ses)?' can match the empty text"),
        ('"mouse"', '"mouse"\ngroup = "(sub).*(ses)"', "group: '(sub).*(ses)' has several parentheses"),
        ('"mouse"', '"mouse"\nsubject = "(sub"', "subject: '(sub' is not a regular expression: missing )"),
        (
            '"mouse"',
            '"mouse"\nsubject = "x*"',
            "subject: 'x*' can match the empty text, so it cannot tell",
        ),
        ('"mouse"', '"mouse"\nsubject = "(a)(b)"', "subject: '(a)(b)' has several parentheses; mark the sub"),
        ('"mouse"', '"mouse"\ndefault = "no"', 'default: "no" was given, it must be true or false'),
        ('"mouse"', '"mouse"\nproven_on = ""', "proven_on: this must not be empty (on which listing"),
        (
            '"mouse"',
            '"mouse"\nproven_on = 2021-08-05',
            "proven_on: 2021-08-05 was given, it must be a text in quotes (on which listing",
        ),
        (
            '"mouse"',
            '"mouse"\nproven_on = "a listing"\nunproven = "none"',
            "unproven: the source says proven_on as well; keep the one that is true",
        ),
        ('"mouse"', '"mouse"\nreader = "matlab"', "reader: \"matlab\" is not known; known: 'nwb-units',"),
        ('"mouse"', '"mouse"\nfetch = "steal"', "fetch: \"steal\" is not known; known: 'copy', 'stream'"),
        ('"mouse"', '"mouse"\norigin = "late"', "origin: \"late\" is not known; known: 'zero' or"),
        (
            '"mouse"',
            '"mouse"\nreader_options = { a = 1 }',
            "reader_options: a: not an option of the reader nwb",
        ),
        (
            '"mouse"',
            '"mouse"\nreader_options = { table = 1 }',
            "reader_options: table cannot be 1; the path of",
        ),
        ('"mouse"', '"mouse"\nreader_options = { table = "" }', 'reader_options: table cannot be "";'),
        (
            '"mouse"',
            '"mouse"\nreader = "nwb-rates"\nreader_options = { table = "units" }',
            "reader_options: table: not an option of the reader nwb-rates, which takes series",
        ),
        (
            '"mouse"',
            '"mouse"\nreader = "mat-spikes"\nreader_options = { keep_absent = "yes" }',
            'reader_options: keep_absent cannot be "yes"; true keeps ids without a spike as silent units',
        ),
        (
            '"mouse"',
            '"mouse"\nreader = "mat-spikes"\nfetch = "stream-or-copy"',
            'fetch: the reader mat-spikes reads whole files, so fetch can only be "copy"',
        ),
        (
            '"mouse"',
            '"mouse"\nreader = "nwb-rates"\norigin = "first-spike"',
            "origin: the reader nwb-rates finds no spikes; its bins are the samples of the file",
        ),
        ('"mouse"', '"mouse"\napi = "ftp://a"', 'api: "ftp://a" is not valid'),
        ('"mouse"', '"mouse"\napi = "https://[a/api"', "api: 'https://[a/api' is not an address"),
        ('"mouse"', '"mouse"\napi = "https://a:99999"', "api: 'https://a:99999' is not an address"),
        ('"000021"', '"٠٠٠٠٢١"', 'identifier: "٠٠٠٠٢١" is not valid'),
        ('"0.210813.1807"', '"0.٢.٣"', "version: '0.٢.٣' is not a published version"),
        ('"mouse"', '"mouse"\nexpect = { tokens = -1 }', "expect.tokens: -1 was given"),
        ('"mouse"', '"mouse"\nexpect = { token = 1 }', "expect.token: this key is not known; did you mean"),
        ('"mouse"', '"mouse"\nexpect = 3', "expect: 3 was given, it must be a table of keys"),
        ('"mouse"', '"mouse"\nbinsize = 0.02', "binsize: this key is not known; did you mean bin_size?"),
        ('"mouse"', '"mouse"\nzzz = 1', "zzz: this key is not known; the known ones are name, include"),
    ],
)
def test_a_mistake_names_file_source_and_key(path: Path, old: str, new: str, line: str) -> None:
    (told,) = mistakes(path, PILE + DANDI.replace(old, new))
    assert told.startswith(f'source "vcn", {line}')


@pytest.mark.parametrize("fetch", ["stream", "stream-or-copy"])
def test_what_lies_on_this_machine_is_not_streamed(path: Path, fetch: str) -> None:
    (told,) = mistakes(path, PILE + FILES + f'fetch = "{fetch}"')
    assert told.startswith(f"source \"lab\", fetch: '{fetch}' is for archives; a folder's own files are read")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["pile: missing", "source: missing"]),
        ("source = []\n" + PILE, ["source: at least one is needed"]),
        (PILE + "sources = 3\n" + DANDI, ["pile, sources: this key is not known"]),
        ("pile = 3\n" + DANDI, ["pile: 3 was given, it must be a table of keys"]),
        ('[pile]\nname = "a/b"\n' + DANDI, ['pile, name: "a/b" is not valid']),
        (PILE + DANDI.replace("[[source]]", "[[sources]]"), ["source: missing", "sources: this key is not"]),
        ("source = [3]\n" + PILE, ["source number 1: 3 was given"]),
        (PILE + DANDI.replace('"dandi"', '"dandy"'), ['source "vcn", archive: "dandy" is not known; one of']),
        (PILE + DANDI.replace('archive = "dandi"', ""), ['source "vcn", archive: missing; one of dandi,']),
        (PILE + DANDI.replace('name = "vcn"', ""), ["source number 1, name: missing"]),
        (PILE + DANDI.replace('"vcn"', '"Vcn 2"'), ['source "Vcn 2", name: "Vcn 2" is not valid']),
        (PILE + DANDI + DANDI, ['source "vcn", name: 2 sources have it']),
        (PILE + FIGSHARE.replace("= 2", '= "2"'), ['source "mat", version: "2" was given, it must be']),
        (PILE + FIGSHARE.replace("version = 2", ""), ['source "mat", version: missing']),
        (PILE + FIGSHARE.replace("= 2", "= 0"), ['source "mat", version: 0 was given']),
        (
            PILE + FILES.replace('"recordings"', '"~nobody-of-this-name/a"'),
            ['source "lab", identifier: \'~nobody'],
        ),
        (PILE + FILES + "version = 1\n", ['source "lab", version: only a source of dandi or figshare has']),
        (PILE + FILES + "has_units = true\n", ['source "lab", has_units: only a source of dandi has this']),
    ],
)
def test_a_mistake_in_the_whole(path: Path, text: str, lines: list[str]) -> None:
    told = mistakes(path, text)
    assert len(told) == len(lines)
    assert all(line.startswith(start) for line, start in zip(told, lines, strict=True))


def test_all_mistakes_are_listed_each_in_one_line(path: Path) -> None:
    wrong = DANDI.replace('"000021"', '"a\\nb"').replace('"mouse"', "7") + "bin_size = -1\n"
    told = mistakes(path, PILE + wrong + FILES + 'nam = "x"\n' + FILES)
    assert [line.split(":")[0] for line in told] == [
        'source "vcn", bin_size',
        'source "vcn", species',
        'source "vcn", identifier',
        'source "lab", nam',
        'source "lab", name',
    ]


def test_bad_toml_tells_the_line(path: Path) -> None:
    (told,) = mistakes(path, PILE + "name = \n")
    assert "not TOML" in told
    assert "line 3" in told


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CatalogueError, match="UTF-8"):
        load_catalogue(path)


def test_the_mark_that_some_editors_put_first_is_no_mistake(path: Path) -> None:
    assert load(path, "\ufeff" + PILE + DANDI) == load(path, PILE + DANDI)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="cannot be read: No such file"):
        load_catalogue(tmp_path / "none.toml")


def test_a_file_in_a_closed_folder_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        if os.access(closed, os.R_OK):
            pytest.skip("this user may read everything")
        with pytest.raises(CatalogueError, match="cannot be read: Permission denied"):
            load_catalogue(closed / "rodent.toml")
    finally:
        closed.chmod(0o700)


def test_a_name_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "rodent.toml").write_text(PILE + DANDI)
    monkeypatch.setattr("spikemill.services.common.catalog.load.resource_folder", lambda _: tmp_path)
    assert load_catalogue("rodent") == load_catalogue(tmp_path / "rodent.toml")
    with pytest.raises(CatalogueError, match=r"rodnt: .*those that do: rodent"):
        load_catalogue("rodnt")


def test_named_sources_alone(path: Path) -> None:
    catalogue = load(path, PILE + DANDI + FILES)
    assert [source.name for source in catalogue.only(["lab"]).sources] == ["lab"]
    assert catalogue.only([]) == catalogue
    with pytest.raises(CallError, match="called ibl; it has vcn, lab"):
        catalogue.only(["ibl", "vcn"])


def test_a_source_that_is_none_by_default_is_taken_where_it_is_named(path: Path) -> None:
    catalogue = load(path, PILE + DANDI + "default = false" + FILES)
    assert [source.name for source in catalogue.only([]).sources] == ["lab"]
    assert [source.name for source in catalogue.only(["vcn"]).sources] == ["vcn"]
    with pytest.raises(CallError, match=r"Every source .* = false; name those to take: vcn"):
        load(path, PILE + DANDI + "default = false").only([])


def entry(path: Path, more: str = "") -> Source:
    return load(path, PILE + DANDI + more).sources[0]


@pytest.mark.parametrize(
    "more",
    [
        'api = "http://a/api"',
        'include = ["a"]',
        'exclude = ["a"]',
        "has_units = true",
        'group = "ses"',
        'subject = "sub"',
        "bin_size = 0.01",
        'origin = "first-spike"',
        "max_hours = 3",
    ],
)
def test_what_decides_bytes_makes_another_version(path: Path, more: str) -> None:
    assert digest(entry(path, more).facts()) != digest(entry(path).facts())


@pytest.mark.parametrize("old", ["000021", "0.210813.1807", "vcn"])
def test_another_name_or_pin_makes_another_version(path: Path, old: str) -> None:
    (other,) = load(path, PILE + DANDI.replace(old, old.replace("0", "1").replace("v", "w"))).sources
    assert digest(other.facts()) != digest(entry(path).facts())


SAID_OF_THE_ENTRY = [
    'fetch = "stream"',
    "expect = { sessions = 1 }",
    'differs = "one more was recorded"',
    "default = false",
    "pin_seen = false",
    'proven_on = "the listing of 2021-08-05"',
    'unproven = "no listing at hand"',
]


@pytest.mark.parametrize(
    "more", [*SAID_OF_THE_ENTRY, "allow_draft = true", 'fetch = "copy"', 'include = ["**/*.nwb"]']
)
def test_what_decides_nothing_leaves_the_version(path: Path, more: str) -> None:
    assert digest(entry(path, more).facts()) == digest(entry(path).facts())


@pytest.mark.parametrize("more", SAID_OF_THE_ENTRY)
def test_what_is_said_of_an_entry_leaves_no_trace_in_a_pile(path: Path, more: str) -> None:
    assert entry(path, more).describe() == entry(path).describe()


def test_the_order_of_patterns_leaves_the_version(path: Path) -> None:
    assert entry(path, 'include = ["a", "b"]').facts() == entry(path, 'include = ["b", "a", "b"]').facts()


def test_an_entry_survives_the_ledger(path: Path) -> None:
    more = 'expect = { sessions = 1 }\napi = "http://a/api"\nexclude = ["a"]'
    for source in load(path, PILE + DANDI + more + FIGSHARE + FILES).sources:
        record: dict[str, Any] = source.model_dump(mode="json")
        assert source_from_record(record) == source


def test_provenance_holds_no_address_and_no_path_of_this_machine(path: Path) -> None:
    vcn, lab = load(path, PILE + DANDI + 'api = "http://127.0.0.1:81/api"' + FILES).sources
    assert "127.0.0.1" not in str(vcn.describe())
    assert str(path.parent) not in str(lab.describe())
    assert lab.describe()["identifier"] == "recordings"
    assert source_from_record(vcn.describe()).facts() == vcn.facts() | {"api": None}
