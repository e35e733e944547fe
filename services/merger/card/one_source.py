"""What a card says of reading one source of many, and what that costs in a shuffled pile."""

import json

from services.merger.card.place import Place
from services.merger.provenance import PileRecord

_SEVERAL = 2


def one_source_section(pile: PileRecord, place: Place) -> str:
    """Return how to read the rows of one source; nothing where there is no other."""
    if len(pile.sources) < _SEVERAL:
        return ""
    name = json.dumps(str(pile.sources[0]["name"]), ensure_ascii=False)
    return f"""\
## One source only

```python
{place.opening}

def matrices(shards, source):
    \"\"\"Yield the rows of one source as units x bins.\"\"\"
    wanted = ds.field("source_dataset") == source
    for shard in shards.get_fragments():
        for group in shard.split_by_row_group(wanted):  # without those that statistics rule out
            if not group.count_rows(filter=wanted):  # reads the names of five rows, no counts
                continue
            rows = group.to_table()
            for number, name in enumerate(rows["source_dataset"].to_pylist()):
                if name == source:
                    units = rows["spike_counts"][number].values
                    yield units.flatten().to_numpy().reshape(len(units), -1)


for matrix in matrices(shards, {name}):
    pass
```

Rows are shuffled across all sources and stand in row groups of five, so a source with 1 % of the rows is in
5 % of the row groups; only these are read. Shorter is `filters=[("source_dataset", "=", {name})]` of pyarrow
and `datasets`, but it goes by statistics alone, the first and the last name of each row group by alphabet:
they rule out most row groups where a source stands at an end of the alphabet, few where it is in the middle.

Of a loaded pile, `filter` reads the names alone. Take the format away before it: in Arrow's format a name is
no Python text, and equal to none.

```python
rows_of_one = pile.with_format(None).filter(lambda name: name == {name}, input_columns="source_dataset")
rows_of_one = rows_of_one.with_format("arrow")
```
"""
