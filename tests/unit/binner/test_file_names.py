"""Errors name files by their paths in the archive."""

import pytest

from services.binner.file_names import name_as_archive


@pytest.mark.parametrize(
    ("files", "text", "named"),
    [
        ([("0f3a.nwb", "sub-1/a.nwb")], "0f3a.nwb: no units", "sub-1/a.nwb: no units"),
        ([("a.nwb", "sub-1/a.nwb")], "a.nwb: see a.nwb", "sub-1/a.nwb: see sub-1/a.nwb"),
        ([("a.nwb", "d/a.nwb"), ("ba.nwb", "d/ba.nwb")], "ba.nwb, a.nwb: no", "d/ba.nwb, d/a.nwb: no"),
        ([("a.nwb", "1/a.nwb"), ("a.nwb", "2/a.nwb")], "a.nwb: no", "1/a.nwb or 2/a.nwb: no"),
        ([("axnwb", "d/axnwb"), ("a.nwb", "d/a.nwb")], "axnwb: no", "d/axnwb: no"),
    ],
)
def test_every_file_is_named_once_and_whole(files: list[tuple[str, str]], text: str, named: str) -> None:
    assert name_as_archive(text, files) == named
