"""Which files a pile consists of beside its shards, and where a release stands in a store."""

PROVENANCE = "provenance.jsonl"
"""What the pile was made of, and how."""
CARD = "README.md"
"""The dataset card."""


def pile_folder(release_digest: str) -> str:
    """Return the folder of a release in the store."""
    return f"piles/{release_digest}"


def pile_file(release_digest: str, name: str) -> str:
    """Return the name of a release's file in the store."""
    return f"{pile_folder(release_digest)}/{name}"
