"""What a card says of reading the pile: programs that work as they stand, and which is quick."""

from services.merger.card.place import Place
from services.merger.provenance import PileRecord


def loading_section(pile: PileRecord, place: Place) -> str:
    """Return how to load a split, how to stream it, and what is slow."""
    tokens = pile.split.train_tokens + pile.split.test_tokens
    return f"""\
## Loading

{place.explanation}```python
from datasets import load_dataset


def counts(row):
    \"\"\"Return the units x bins of a row as uint8, without a copy.\"\"\"
    units = row["spike_counts"][0].values
    return units.flatten().to_numpy().reshape(len(units), -1)


pile = load_dataset({place.loaded}, split="train").with_format("arrow")
matrix = counts(pile[0])
```

This is the quickest way to read rows more than once, in any order. `load_dataset` first writes the pile to
its cache, uncompressed: {tokens:,} bytes. Streaming needs no such room, and decodes each row as it comes:

```python
rows = load_dataset({place.loaded}, split="train", streaming=True).with_format("arrow")
for row in rows:
    matrix = counts(row)
```

Of a loaded pile `with_format("numpy", dtype="uint8")` gives the same matrices in about twice the time.
`with_format("numpy")` alone makes int64 of them, in eight times the memory and seven times the time; a row
without a format is lists of Python integers, and takes fifty times as long.
"""
