"""From an archive's listing to sessions: which assets a source takes, and what their sessions are called."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from unicodedata import normalize

from spikemill.services.common.archives.patterns import path_matcher
from spikemill.services.common.catalog import DandiSource, Source
from spikemill.services.common.catalog.schema import FOUND_NAMES
from spikemill.services.common.errors import CatalogueError
from spikemill.services.common.types import Asset, PlannedSession

_SUBJECT = re.compile(r"(?:^|_)(sub-[^_]+)")


def select_sessions(assets: Iterable[Asset], source: Source) -> list[PlannedSession]:
    """Return the sessions of a source, sorted by the UTF-8 bytes of their keys.

    Raises `CatalogueError` where the entry selects nothing, or two sessions have the same names.
    """
    listed = list(assets)
    matches = path_matcher(source.include, source.exclude)
    needs_units = isinstance(source, DandiSource) and source.has_units
    selected = [asset for asset in listed if matches(asset.path) and (asset.has_units or not needs_units)]
    _refuse_futile_patterns(listed, source)
    if not selected:
        raise CatalogueError(_nothing_selected(listed, source, needs_units=needs_units))
    sessions = (
        _grouped(selected, source)
        if source.group is not None
        else [_single(asset, source) for asset in selected]
    )
    _refuse_repeated(sessions, source)
    return sorted(sessions, key=lambda session: session.key.encode())


def _refuse_futile_patterns(assets: Sequence[Asset], source: Source) -> None:
    """Refuse a pattern meant for names: without a slash it only reaches the top, and would match nothing."""
    for key, patterns in (("include", source.include), ("exclude", source.exclude)):
        for pattern in patterns:
            if "/" in pattern or any(map(path_matcher([pattern]), (asset.path for asset in assets))):
                continue
            below = sum(map(path_matcher([f"**/{pattern}"]), (asset.path for asset in assets)))
            if below:
                raise CatalogueError(
                    f'{source.name}, {key}: "{pattern}" matches no path, because * does not cross folders; '
                    f'{below} assets have such a name: write "**/{pattern}".'
                )


def _nothing_selected(assets: Sequence[Asset], source: Source, *, needs_units: bool) -> str:
    endings = Counter(PurePosixPath(asset.path).suffix or "none" for asset in assets)
    common = ", ".join(f"{ending} ({count})" for ending, count in endings.most_common(3))
    return (
        f"{source.name}: none of the {len(assets)} assets is selected by include = {list(source.include)}, "
        f"exclude = {list(source.exclude)}{' and has_units' if needs_units else ''}"
        + (f"; their names end in {common}." if assets else "; the archive lists none.")
    )


def _grouped(assets: Sequence[Asset], source: Source) -> list[PlannedSession]:
    """Make one session of all assets in whose paths `group` finds the same name."""
    groups: dict[str, list[Asset]] = defaultdict(list)
    for asset in assets:
        groups[_found("group", source.group or "", asset.path, source)].append(asset)
    sessions = []
    for name, members in groups.items():
        subjects = {_subject(normalize("NFC", asset.path), source) for asset in members}
        if len(subjects) > 1:
            raise CatalogueError(
                f"{source.name}, group: {name!r} joins assets of {len(subjects)} subjects "
                f"({', '.join(sorted(map(str, subjects)))}); let `group` find the subject as well."
            )
        sessions.append(PlannedSession(name, name, subjects.pop(), tuple(members)))
    return sessions


def _single(asset: Asset, source: Source) -> PlannedSession:
    key = normalize("NFC", asset.path)
    return PlannedSession(key, PurePosixPath(key).stem, _subject(key, source), (asset,))


def _subject(path: str, source: Source) -> str | None:
    """Return what `subject` finds; without it the folder, else the `sub-` entity of the name, else None."""
    if source.subject is not None:
        return _found("subject", source.subject, path, source)
    folder = PurePosixPath(path).parent.name
    if folder:
        return folder
    entity = _SUBJECT.search(PurePosixPath(path).stem)
    return entity[1] if entity else None


def _found(key: str, expression: str, path: str, source: Source) -> str:
    """Return what an expression of the entry finds: its parenthesis of that name, its only one, or all.

    Both are compared in NFC, for file systems spell accents differently.
    """
    what = FOUND_NAMES[key]
    match = re.search(normalize("NFC", expression), normalize("NFC", path))
    name = match[what if what in match.re.groupindex else match.re.groups] if match else None
    if not name:
        raise CatalogueError(
            f"{source.name}, {key}: {expression!r} finds no {what} in {path!r}; widen it, or leave "
            "the asset out with `exclude`."
        )
    return name


def _refuse_repeated(sessions: Sequence[PlannedSession], source: Source) -> None:
    """Refuse two sessions with the same subject and session id: a pile could not tell them apart."""
    keys_of: dict[tuple[str | None, str], list[str]] = defaultdict(list)
    for session in sessions:
        keys_of[session.subject_id, session.session_id].append(session.key)
    for (subject, name), keys in keys_of.items():
        if len(keys) > 1:
            raise CatalogueError(
                f"{source.name}: {len(keys)} assets are subject {subject or 'unknown'}, session {name}: "
                f"{', '.join(keys[:3])}; narrow `include`, or make them one session with `group`."
            )
