"""The licence of a pile: none of its sources asks for more."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikemill.services.merger.card_head import Licence, pile_licence

ORDER = ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "LicenseRef-Allen")


def source(licence: str | None, **keys: Any) -> dict[str, Any]:
    return {"name": "vcn", "archive": "dandi", "identifier": "000021", "version": "0.1", **keys} | (
        {} if licence is None else {"license": licence}
    )


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        (["CC0-1.0"], "cc0-1.0"),
        (["CC0-1.0", "CC-BY-4.0"], "cc-by-4.0"),
        (["CC-BY-SA-4.0", "CC-BY-4.0"], "cc-by-sa-4.0"),
        (["CC-BY-4.0", "CC-BY-NC-4.0", "CC0-1.0"], "cc-by-nc-4.0"),
        (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], "cc-by-nc-sa-4.0"),
        (["CC-BY-NC-SA-4.0", "CC-BY-NC-4.0"], "cc-by-nc-sa-4.0"),
        (["CC-BY-4.0", "cc-by-4.0 "], "cc-by-4.0"),
        (["CC BY 4.0", "CC0"], "cc-by-4.0"),
        (["CC0 1.0", "cc0"], "cc0-1.0"),
        (["CC  BY-NC SA 4.0"], "cc-by-nc-sa-4.0"),
    ],
)
def test_a_pile_asks_all_that_its_sources_ask(licences: list[str], expected: str) -> None:
    assert pile_licence([source(licence) for licence in licences]) == Licence(expected)


@given(st.lists(st.sampled_from(ORDER), min_size=1))
def test_no_source_is_more_restrictive_than_its_pile(licences: list[str]) -> None:
    found = pile_licence([source(licence) for licence in licences]).identifier
    order = [name.lower() for name in ORDER[:-1]] + ["other"]
    assert order.index(found) >= max(ORDER.index(licence) for licence in licences)


def test_a_licence_that_the_hub_does_not_know_is_named_and_linked() -> None:
    assert pile_licence([source("LicenseRef-Allen"), source("CC-BY-4.0", identifier="000017")]) == Licence(
        "other", "licenseref-allen", "https://dandiarchive.org/dandiset/000021/0.1"
    )
    figshare = source("none recorded", archive="figshare", identifier="7739750", version=4)
    assert pile_licence([figshare]) == Licence(
        "other", "none-recorded", "https://figshare.com/articles/_/7739750/4"
    )


def test_of_several_unknown_licences_none_is_linked() -> None:
    assert pile_licence([source("none recorded"), source("LicenseRef-Allen")]) == Licence(
        "other", "licenseref-allen-and-none-recorded", None
    )


@pytest.mark.parametrize("licence", [None, "", "许可", "…"])
def test_what_has_no_name_is_not_stated(licence: str | None) -> None:
    assert pile_licence([source(licence, archive="files")]) == Licence("other", "not-stated", None)


def test_a_pile_without_sources_has_no_licence() -> None:
    assert pile_licence([]) == Licence("other", "not-stated", None)
