"""A whole catalogue, and a single entry as the ledger keeps it."""

from collections.abc import Collection
from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter

from services.common.catalogue.sources import Source
from services.common.catalogue.tables import Pile, Table
from services.common.errors import CallError

_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)


class Catalogue(Table):
    """A pile and the sources that it is made of."""

    pile: Pile = Field(description='the table of the pile: [pile] with name = "..."')
    sources: Annotated[tuple[Source, ...], Field(strict=False)] = Field(
        alias="source", min_length=1, description="the tables of the sources: [[source]]"
    )

    def only(self, names: Collection[str]) -> Self:
        """Return the catalogue with the named sources alone; with no name, with those taken by default.

        Raises `CallError` where a name is not in the catalogue, or no source is left.
        """
        known = [source.name for source in self.sources]
        if unknown := sorted(set(names) - set(known)):
            raise CallError(
                f"No source of the catalogue is called {', '.join(unknown)}; it has {', '.join(known)}."
            )
        chosen = tuple(s for s in self.sources if (s.name in names if names else s.default))
        if not chosen:
            raise CallError(
                f"Every source of the catalogue says default = false; name those to take: {', '.join(known)}."
            )
        return self.model_copy(update={"sources": chosen})


def source_from_record(record: dict[str, Any]) -> Source:
    """Make the entry again from its `model_dump(mode="json")`, as the ledger keeps it."""
    return _SOURCE.validate_python(record)
