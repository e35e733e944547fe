"""What patterns take."""

import pytest

from spikemill.services.common.archives.patterns import path_matcher


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("**/*.nwb", "a.nwb", True),
        ("**/*.nwb", "sub-1/deep/a.nwb", True),
        ("*.nwb", "sub-1/a.nwb", False),
        ("sub-*/sub-*_ses-*.nwb", "sub-1/sub-1_ses-2.nwb", True),
        ("sub-*/*", "sub-1/deep/a.nwb", False),
        ("**/*.nwb", "A.NWB", False),
        ("sub-A/*.nwb", "sub-a/x.nwb", False),
        ("**/*.nwb", "sub-1/._a.nwb", False),
        ("**/*.nwb", "sub 1/a #1 & b+c.nwb", True),
        ("**/a[12].nwb", "a2.nwb", True),
        ("a", "aa", False),
    ],
)
def test_one_pattern(pattern: str, path: str, *, matches: bool) -> None:
    assert path_matcher([pattern])(path) is matches


def test_any_included_and_no_excluded_pattern() -> None:
    matcher = path_matcher(["a/*", "b/*"], ["**/*_probe-*.nwb", "b/x.nwb"])
    paths = ["a/x.nwb", "a/x_probe-1.nwb", "b/x.nwb", "b/y.nwb", "c/x.nwb"]
    assert [path for path in paths if matcher(path)] == ["a/x.nwb", "b/y.nwb"]


@pytest.mark.parametrize("pattern", ["sub-é/*", "sub-e\u0301/*"])
@pytest.mark.parametrize("path", ["sub-é/a.nwb", "sub-e\u0301/a.nwb"])
def test_accents_match_however_they_are_spelled(pattern: str, path: str) -> None:
    assert path_matcher([pattern])(path)
    assert not path_matcher(["**"], [pattern])(path)
