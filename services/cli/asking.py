"""From a catalogue and the options of a command to what is asked of the ledger."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from services.common.archives.versions import version_facts
from services.common.catalogue import Catalogue, Source, load_catalogue
from services.common.data_format import FORMAT_ID
from services.common.errors import CallError
from services.common.hub_target import WITHOUT_PUSH, HubTarget, require_redistributable
from services.common.identity import digest
from services.common.ledger.planning import BuildRequest, SourceRequest
from services.common.settings import settings
from services.merger.parameters import MergeParameters


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a person may say about a build beside its catalogue."""

    parameters: MergeParameters = field(default_factory=MergeParameters)
    session_limit: int | None = None
    allow_missing: bool = False
    adds_to_open_build: bool = False
    push: HubTarget | None = None


def named_catalogue(name: str | None, sources: Collection[str] | None) -> Catalogue:
    """Return the catalogue that a person named, or the settings do, with the named sources alone.

    The sources that the settings name are those of the catalogue that the settings name.
    """
    if name is not None:
        return load_catalogue(name).only(sources or ())
    usual = settings().catalog
    if usual is None:
        raise CallError("Name a catalogue: --catalog FILE.toml, or SPIKEMILL_CATALOG.")
    return load_catalogue(usual).only(sources or settings().sources.split())


def merge_parameters(**given: Any) -> MergeParameters:
    """Return the parameters of a release; what is None was not given.

    Raises `CallError` for a wrong value.
    """
    try:
        return MergeParameters(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = "--" + "-".join(str(part) for part in first["loc"]).replace("_", "-")
        raise CallError(
            f"{option} {first['input']}: {first['msg'][:1].lower()}{first['msg'][1:]}."
        ) from error


def build_request(catalogue: Catalogue, options: BuildOptions) -> BuildRequest:
    """Return what is asked of the ledger.

    Raises `CallError` where a folder of recordings is missing, or a source may not be pushed as is wanted.
    """
    if options.push is not None:
        described = [source.describe() for source in catalogue.sources]
        require_redistributable(described, otherwise=WITHOUT_PUSH)
    # A pile names its sources by name, so their order in the catalogue makes no other release.
    in_order = sorted(catalogue.sources, key=lambda source: source.name)
    sources = [source.with_api(settings()) for source in in_order]
    texts = [catalogue.pile.notes, *(source.describe() for source in sources)]
    return BuildRequest(
        pile=catalogue.pile.name,
        notes=catalogue.pile.notes or None,
        sources=[_source_request(source) for source in sources],
        # The card is part of a release: other texts make another one.
        parameters=options.parameters.model_dump() | {"texts": digest(texts)},
        session_limit=options.session_limit,
        allow_missing=options.allow_missing,
        adds_to_open_build=options.adds_to_open_build,
        push=options.push,
    )


def _source_request(source: Source) -> SourceRequest:
    return SourceRequest(
        digest=digest([version_facts(source), FORMAT_ID]),
        name=source.name,
        archive=source.archive,
        api=getattr(source, "api", None) or "",
        entry=source.model_dump(mode="json"),
        format_id=FORMAT_ID,
        expected=source.expect.model_dump(exclude_none=True) if source.expect else {},
    )
