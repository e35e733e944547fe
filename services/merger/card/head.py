"""The YAML head of a card: what `load_dataset` and the hub read of it."""

import json
import re

from services.merger.card.licences import pile_licence
from services.merger.provenance import PileRecord

# With `list`, `datasets` 2.19 would see another type here than in the shards, and not join the two.
_FEATURES = """\
  features:
  - name: spike_counts
    sequence:
      sequence: uint8
  - name: subject_id
    dtype: string
  - name: session_id
    dtype: string
  - name: segment_id
    dtype: string
  - name: source_dataset
    dtype: string
"""
# The hub's classes, each with the number of rows that is too many for it.
_SIZES = {
    "n<1K": 10**3,
    "1K<n<10K": 10**4,
    "10K<n<100K": 10**5,
    "100K<n<1M": 10**6,
    "1M<n<10M": 10**7,
    "10M<n<100M": 10**8,
    "100M<n<1B": 10**9,
    "1B<n<10B": 10**10,
    "10B<n<100B": 10**11,
    "100B<n<1T": 10**12,
}
_LARGEST = "n>1T"
# YAML reads these only where they are escaped; JSON leaves them as they are.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def card_head(pile: PileRecord) -> str:
    """Return the head, with both its marker lines.

    `num_examples` is exact, else `load_dataset` refuses the pile; `num_bytes` is a byte per token, what
    the counts take in memory. The hub knows no task that the data are for, so none is named.
    """
    split = pile.split
    sizes = {
        "train": (split.train_rows, split.train_tokens),
        "test": (split.test_rows, split.test_tokens),
    }
    names = [name for name, (rows, _) in sizes.items() if rows]
    files = "".join(f"  - split: {name}\n    path: data/{name}-*\n" for name in names)
    splits = "".join(_split_entry(name, *sizes[name]) for name in names)
    return (
        "---\n"
        f"pretty_name: {_quoted(pile.name)}\n"
        f"{_licence(pile)}"
        "tags:\n- neuroscience\n- electrophysiology\n- spike-counts\n- time-series\n"
        f"size_categories:\n- {_size_category(split.train_rows + split.test_rows)}\n"
        f"configs:\n- config_name: default\n  data_files:\n{files}"
        f"dataset_info:\n{_FEATURES}  splits:\n{splits}"
        f"  download_size: {sum(shard.bytes for shard in pile.shards)}\n"
        f"  dataset_size: {split.train_tokens + split.test_tokens}\n"
        "---\n"
    )


def _split_entry(name: str, rows: int, tokens: int) -> str:
    return f"  - name: {name}\n    num_bytes: {tokens}\n    num_examples: {rows}\n"


def _licence(pile: PileRecord) -> str:
    licence = pile_licence(pile.sources)
    name = f"license_name: {_quoted(licence.name)}\n" if licence.name else ""
    link = f"license_link: {_quoted(licence.link)}\n" if licence.link else ""
    return f"license: {licence.identifier}\n{name}{link}"


def _size_category(rows: int) -> str:
    return next((name for name, limit in _SIZES.items() if rows < limit), _LARGEST)


def _quoted(text: str) -> str:
    """Return the text in double quotes, where every reader of YAML finds a text and no number or date."""
    return _UNPRINTABLE.sub(
        lambda found: f"\\u{ord(found.group()):04x}", json.dumps(text, ensure_ascii=False)
    )
