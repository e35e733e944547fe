"""DANDI's API, below `/api/`, as far as its client 0.81 asks for it."""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from spikemill.services.cli.made_up import fixed_uuid
from standins.archive.content import DRAFT, ArchiveFile, Dandiset, MadeUpArchive
from standins.archive.storage import SignedLinks, blob_path, storage_base
from standins.wire.messages import Answer, RefusalError, Request, json_answer, page_not_found, redirect

PREFIX = "/api/"
_DANDISET = r"dandisets/(?P<dandiset>\d{6})/"
_VERSION = rf"{_DANDISET}versions/(?P<version>draft|\d+\.\d+\.\d+)/"
_ASSET = rf"(?:{_VERSION})?assets/(?P<asset>[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})/"
ORDERS = ("created", "modified", "path")
_DEFAULT_SIZE = 100
_LARGEST_SIZE = 1000
Item = TypeVar("Item")
_DATE = "2024-01-05T09:00:00Z"
_OWNER = "Made-up, Nobody"


class DandiApi:
    """Answers requests for dandisets, versions and assets."""

    def __init__(self, archive: MadeUpArchive, links: SignedLinks) -> None:
        """Serve an archive's dandisets; `links` signs the way to their content."""
        self._archive = archive
        self._links = links
        self._routes: dict[str, Callable[[Request, re.Match[str]], Answer]] = {
            "info/": self._info,
            "dandisets/": self._dandisets,
            _DANDISET: self._dandiset,
            rf"{_DANDISET}versions/": self._versions,
            _VERSION: self._version_metadata,
            rf"{_VERSION}info/": self._version_info,
            rf"{_VERSION}assets/": self._assets,
            _ASSET: self._asset_metadata,
            rf"{_ASSET}info/": self._asset_info,
            rf"{_ASSET}download/": self._download,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a request below `PREFIX`."""
        if request.method not in {"GET", "HEAD"}:
            return json_answer({"detail": "Method not allowed."}, HTTPStatus.METHOD_NOT_ALLOWED)
        path = request.path.removeprefix(PREFIX)
        for route, answer in self._routes.items():
            if found := re.fullmatch(route, path):
                return answer(request, found)
        if any(re.fullmatch(route, f"{path}/") for route in self._routes):
            return redirect(request.with_slash(), HTTPStatus.MOVED_PERMANENTLY)
        return page_not_found()

    def _info(self, request: Request, _: re.Match[str]) -> Answer:
        return json_answer(info_document(request.host))

    def _dandisets(self, request: Request, _: re.Match[str]) -> Answer:
        visible = [dandiset for dandiset in self._archive.dandisets if not dandiset.is_embargoed]
        return dandi_page(request, visible, dandiset_document)

    def _dandiset(self, _: Request, found: re.Match[str]) -> Answer:
        return json_answer(dandiset_document(self._find_dandiset(found)))

    def _versions(self, request: Request, found: re.Match[str]) -> Answer:
        dandiset = self._find_dandiset(found)
        oldest_first = request.query.get("order", "created") == "created"
        versions = dandiset.all_versions if oldest_first else dandiset.all_versions[::-1]
        return dandi_page(request, versions, lambda version: version_document(dandiset, version))

    def _version_metadata(self, _: Request, found: re.Match[str]) -> Answer:
        dandiset, _files = self._find_version(found)
        return json_answer(version_metadata(dandiset, found["version"]))

    def _version_info(self, _: Request, found: re.Match[str]) -> Answer:
        dandiset, _files = self._find_version(found)
        return json_answer(version_info_document(dandiset, found["version"]))

    def _assets(self, request: Request, found: re.Match[str]) -> Answer:
        _dandiset, files = self._find_version(found)
        order = request.query.get("order", "")
        if order and order.removeprefix("-") not in ORDERS:
            complaint = f"Select a valid choice. {order} is not one of the available choices."
            return json_answer({"order": [complaint]}, HTTPStatus.BAD_REQUEST)
        with_metadata = request.query.get("metadata") == "true"
        return dandi_page(
            request,
            listed_assets(request, files),
            lambda file: asset_document(file, request.host, metadata=with_metadata),
            is_asset_list=True,
        )

    def _asset_metadata(self, request: Request, found: re.Match[str]) -> Answer:
        return json_answer(asset_metadata(self._find_asset(found), request.host))

    def _asset_info(self, request: Request, found: re.Match[str]) -> Answer:
        return json_answer(asset_document(self._find_asset(found), request.host, metadata=True))

    def _download(self, request: Request, found: re.Match[str]) -> Answer:
        file = self._find_asset(found)
        if file.kind == "zarr":
            return json_answer("Unable to provide download link for zarr assets.", HTTPStatus.BAD_REQUEST)
        return redirect(self._links.sign(storage_base(request.host), blob_path(file), file.name))

    def _find_dandiset(self, found: re.Match[str]) -> Dandiset:
        """Find the dandiset that the path names; an embargoed one wants a token, which nobody has."""
        dandiset = self._archive.dandiset(found["dandiset"])
        if dandiset is None:
            raise RefusalError(_not_found())
        if dandiset.is_embargoed:
            detail = {"detail": "Authentication credentials were not provided."}
            raise RefusalError(json_answer(detail, HTTPStatus.UNAUTHORIZED))
        return dandiset

    def _find_version(self, found: re.Match[str]) -> tuple[Dandiset, list[ArchiveFile]]:
        """Find the dandiset that the path names, and the files of the version."""
        dandiset = self._find_dandiset(found)
        files = dandiset.files(found["version"])
        if files is None:
            raise RefusalError(_not_found())
        return dandiset, list(files)

    def _find_asset(self, found: re.Match[str]) -> ArchiveFile:
        """Find the asset that the path names, in the version where it names one too."""
        asset = self._archive.asset(found["asset"])
        if found["version"]:
            _dandiset, files = self._find_version(found)
            asset = next((file for file in files if file.asset_id == found["asset"]), None)
        if asset is None:
            raise RefusalError(_not_found())
        return asset


def _not_found() -> Answer:
    return json_answer({"detail": "Not found."}, HTTPStatus.NOT_FOUND)


def listed_assets(request: Request, files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Filter by the query's `path`, `glob` and `zarr`, and sort by its `order`."""
    query = request.query
    chosen = _below(query.get("path", ""), files)
    if glob := query.get("glob"):
        pattern = _whole_path(glob)
        chosen = [file for file in chosen if pattern.fullmatch(file.path)]
    if query.get("zarr") == "true":
        chosen = [file for file in chosen if file.kind == "zarr"]
    return _in_order(query.get("order", ""), chosen)


def _below(prefix: str, files: Sequence[ArchiveFile]) -> list[ArchiveFile]:
    """Return the file that has exactly this path, else those that begin with it, in upper or lower case."""
    exact = [file for file in files if file.path == prefix]
    return exact or [file for file in files if file.path.lower().startswith(prefix.lower())]


def _whole_path(glob: str) -> re.Pattern[str]:
    """Compile a glob: only `*` is special, it crosses `/`, and case does not matter."""
    return re.compile(".*".join(re.escape(text) for text in glob.split("*")), re.IGNORECASE)


def _in_order(order: str, files: list[ArchiveFile]) -> list[ArchiveFile]:
    """Sort by path in bytes; by date is as the files were put in, for all have one date."""
    if order.removeprefix("-") == "path":
        files = sorted(files, key=lambda file: file.path.encode())
    return files[::-1] if order.startswith("-") else files


def dandi_page(
    request: Request, items: Sequence[Item], describe: Callable[[Item], Any], *, is_asset_list: bool = False
) -> Answer:
    """Answer with the page that the request names.

    A list of assets gives its count on the first page only, and empty results past the end; other lists
    always give it, and are 404 past the end. A size above 1,000 is cut to it silently.
    """
    number, size = _number(request), _size(request)
    past_the_end = number is not None and number > 1 and (number - 1) * size >= len(items)
    if number is None or (past_the_end and not is_asset_list):
        return json_answer({"detail": "Invalid page."}, HTTPStatus.NOT_FOUND)
    document = {
        "count": len(items) if number == 1 or not is_asset_list else None,
        "next": request.url(page=number + 1) if number * size < len(items) else None,
        "previous": request.url(page=number - 1) if number > 1 else None,
        "results": [describe(item) for item in items[(number - 1) * size : number * size]],
    }
    return json_answer(document)


def _number(request: Request) -> int | None:
    """Return the page's number, counted from 1, or None where it is none."""
    number = request.query.get("page", "1")
    return int(number) if number.isdecimal() and int(number) else None


def _size(request: Request) -> int:
    size = request.query.get("page_size", "")
    return min(int(size), _LARGEST_SIZE) if size.isdecimal() and int(size) else _DEFAULT_SIZE


def info_document(host: str) -> dict[str, Any]:
    """Describe this instance of the archive."""
    return {
        "schema_version": "0.6.10",
        "allowed_schema_versions": ["0.6.10"],
        "version": "0.4.0",
        "cli-minimal-version": "0.60.0",
        "cli-bad-versions": [],
        "services": {
            "api": {"url": f"http://{host}/api"},
            "webui": {"url": f"http://{host}"},
            "jupyterhub": None,
        },
        "instance_config": {"instance_name": "MADE-UP"},
    }


def asset_document(file: ArchiveFile, host: str, *, metadata: bool = False) -> dict[str, Any]:
    """Describe an asset as a listing does, with its metadata where they are asked for."""
    is_zarr = file.kind == "zarr"
    document = {
        "asset_id": file.asset_id,
        "blob": None if is_zarr else file.blob_id,
        "zarr": fixed_uuid("zarr", file.asset_id) if is_zarr else None,
        "path": file.path,
        "size": file.size,
        "created": _DATE,
        "modified": _DATE,
    }
    return document | ({"metadata": asset_metadata(file, host)} if metadata else {})


def asset_metadata(file: ArchiveFile, host: str) -> dict[str, Any]:
    """Return what the archive knows of an asset: digests, addresses, and what was measured."""
    return {
        "schemaKey": "Asset",
        "schemaVersion": "0.6.10",
        "id": f"dandiasset:{file.asset_id}",
        "identifier": file.asset_id,
        "path": file.path,
        "contentSize": file.size,
        "contentUrl": [
            f"http://{host}/api/assets/{file.asset_id}/download/",
            f"{storage_base(host)}{blob_path(file)}",
        ],
        "digest": file.say(_digests(file)),
        "encodingFormat": "application/x-zarr" if file.kind == "zarr" else "application/x-nwb",
        "variableMeasured": [{"schemaKey": "PropertyValue", "value": name} for name in file.variables],
    }


def _digests(file: ArchiveFile) -> dict[str, str]:
    if file.kind == "zarr":
        return {"dandi:dandi-zarr-checksum": f"{file.digests.md5}-1--{file.size}"}
    return {"dandi:dandi-etag": file.digests.dandi_etag, "dandi:sha2-256": file.digests.sha256}


def dandiset_document(dandiset: Dandiset) -> dict[str, Any]:
    """Describe a dandiset with its newest published version, if any, and its draft."""
    newest = version_document(dandiset, dandiset.published[-1]) if dandiset.published else None
    return _dandiset_summary(dandiset) | {
        "most_recent_published_version": newest,
        "draft_version": version_document(dandiset, DRAFT),
    }


def version_document(dandiset: Dandiset, version: str) -> dict[str, Any]:
    """Describe a version."""
    files = dandiset.files(version) or ()
    return {
        "version": version,
        "name": dandiset.name,
        "asset_count": len(files),
        "active_uploads": 0,
        "size": sum(file.size for file in files),
        "status": "Valid" if version == DRAFT else "Published",
        "created": _DATE,
        "modified": _DATE,
        "dandiset": _dandiset_summary(dandiset),
        "release_notes": None,
    }


def version_info_document(dandiset: Dandiset, version: str) -> dict[str, Any]:
    """Describe a version at length."""
    return version_document(dandiset, version) | {
        "asset_validation_errors": [],
        "version_validation_errors": [],
        "contact_person": _OWNER,
        "metadata": version_metadata(dandiset, version),
    }


def version_metadata(dandiset: Dandiset, version: str) -> dict[str, Any]:
    """Return the metadata of a version."""
    return {
        "schemaKey": "Dandiset",
        "schemaVersion": "0.6.10",
        "id": f"DANDI:{dandiset.identifier}/{version}",
        "identifier": f"DANDI:{dandiset.identifier}",
        "name": dandiset.name,
        "version": version,
        "description": "Made-up data for spikemill's demo and tests; they mean nothing.",
        "license": ["spdx:CC0-1.0"],
    }


def _dandiset_summary(dandiset: Dandiset) -> dict[str, Any]:
    return {
        "identifier": dandiset.identifier,
        "created": _DATE,
        "modified": _DATE,
        "contact_person": _OWNER,
        "embargo_status": "EMBARGOED" if dandiset.is_embargoed else "OPEN",
    }
