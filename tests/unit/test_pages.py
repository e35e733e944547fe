"""The pages of the repository: what they link to, and the files and tests that they name."""

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PAGES = sorted([*CHECKOUT.glob("*.md"), *(CHECKOUT / "docs").rglob("*.md")])
# What the examples of CONTRIBUTING add.
MADE_BY_EXAMPLES = {
    "catalog/our-lab.toml",
    "services/binner/readers/csv_spikes.py",
    "services/common/archives/web_folder.py",
}


def page(name: str) -> str:
    return (CHECKOUT / name).read_text()


def prose(text: str) -> str:
    """Return a page without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """Return the names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named_files(text: str) -> set[str]:
    """Return the files and folders that a page names in code, by their paths in the repository."""
    return set(re.findall(r"`((?:catalog|docs|migrations|requirements|services|tests)/[\w./-]+)`", text))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = path.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        assert place.exists(), target
        assert not anchor or anchor in anchors(place.read_text()), target


def test_readme_leads_to_each_page() -> None:
    linked = set(re.findall(r"\]\(([\w./-]+)\)", page("README.md")))
    assert {str(path.relative_to(CHECKOUT)) for path in PAGES} - {"README.md"} <= linked
    assert {"LICENSE", "CITATION.cff"} <= linked


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_target_of_make_that_is_named_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", page("Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:`|\$ )make ([a-z-]+)", path.read_text())) <= targets


def test_contributing_names_what_is_there() -> None:
    named = named_files(page("CONTRIBUTING.md"))
    assert {name for name in named if not (CHECKOUT / name.partition("*")[0]).exists()} <= MADE_BY_EXAMPLES


def test_examples_of_contributing_add_what_is_not_there_yet() -> None:
    text = page("CONTRIBUTING.md")
    shown = set(re.findall(r"^```python\n# (\S+)$", text, re.MULTILINE)) | (
        named_files(text) & MADE_BY_EXAMPLES
    )
    assert shown == MADE_BY_EXAMPLES
    assert not [name for name in shown if (CHECKOUT / name).exists()]


def test_each_promise_of_security_names_what_shows_it() -> None:
    rows = re.findall(r"^\| (?!promise|---)(.+) \| (.+) \|$", page("SECURITY.md"), re.MULTILINE)
    assert rows
    for promise, shown_by in rows:
        files = named_files(shown_by)
        assert any(name.startswith(("tests/", "requirements/")) for name in files), promise
        assert [name for name in files if not (CHECKOUT / name).exists()] == [], promise


def test_each_step_of_a_spike_is_where_the_house_says() -> None:
    row = re.compile(r"^\|[^|]*\| `(services/[\w./]+\.py)` \| (.+) \|$", re.MULTILINE)
    steps = row.findall(page("docs/house.md"))
    assert len(steps) > 20
    for file, named in steps:
        defined = set(re.findall(r"^(?:def|class) (\w+)", page(file), re.MULTILINE))
        assert set(re.findall(r"`(\w+)`", named)) <= defined, file


def test_what_the_house_names_is_there() -> None:
    assert {path for path in named_files(page("docs/house.md")) if not (CHECKOUT / path).exists()} == set()
