"""The YAML head of a pile's README.md, by which `load_dataset` finds files and row numbers."""

import json

from services.merger.provenance import PileRecord

_HUB_LICENCES = frozenset({"cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"})
_FEATURES = """\
  features:
  - name: spike_counts
    list:
      list: uint8
  - name: subject_id
    dtype: string
  - name: session_id
    dtype: string
  - name: segment_id
    dtype: string
  - name: source_dataset
    dtype: string
"""


def card_head(pile: PileRecord) -> str:
    """Return the head, with both its marker lines.

    `num_examples` is exact, else `load_dataset` refuses the pile; `num_bytes` is a byte per token, what
    the counts take in memory.
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
        f"pretty_name: {json.dumps(pile.name)}\n"
        f"license: {_licence(pile)}\n"
        "tags:\n- neuroscience\n- electrophysiology\n- spike-counts\n"
        f"configs:\n- config_name: default\n  data_files:\n{files}"
        f"dataset_info:\n{_FEATURES}  splits:\n{splits}"
        f"  download_size: {sum(shard.bytes for shard in pile.shards)}\n"
        f"  dataset_size: {split.train_tokens + split.test_tokens}\n"
        "---\n"
    )


def _split_entry(name: str, rows: int, tokens: int) -> str:
    return f"  - name: {name}\n    num_bytes: {tokens}\n    num_examples: {rows}\n"


def _licence(pile: PileRecord) -> str:
    """Return the hub's own name of the licence, where all sources share one that it knows."""
    licences = {str(source.get("license")).lower() for source in pile.sources}
    return licences.pop() if len(licences) == 1 and licences <= _HUB_LICENCES else "other"
