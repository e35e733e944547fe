"""DANDI's API, below `/api/`, as far as its client 0.81 asks for it."""

import re
from collections.abc import Callable
from http import HTTPStatus

from services.demo.apis import dandi_documents as documents
from services.demo.apis.dandi_listing import ORDERS, listed_assets
from services.demo.apis.dandi_pages import dandi_page
from services.demo.archive import Dandiset, MadeUpArchive
from services.demo.archive_file import ArchiveFile
from services.demo.storage.objects import blob_path, storage_base
from services.demo.storage.signed_links import SignedLinks
from services.demo.wire.messages import Answer, RefusalError, Request, json_answer, page_not_found, redirect

PREFIX = "/api/"
_DANDISET = r"dandisets/(?P<dandiset>\d{6})/"
_VERSION = rf"{_DANDISET}versions/(?P<version>draft|\d+\.\d+\.\d+)/"
_ASSET = rf"(?:{_VERSION})?assets/(?P<asset>[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})/"


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
        return json_answer(documents.info_document(request.host))

    def _dandisets(self, request: Request, _: re.Match[str]) -> Answer:
        visible = [dandiset for dandiset in self._archive.dandisets if not dandiset.is_embargoed]
        return dandi_page(request, visible, documents.dandiset_document)

    def _dandiset(self, _: Request, found: re.Match[str]) -> Answer:
        return json_answer(documents.dandiset_document(self._find_dandiset(found)))

    def _versions(self, request: Request, found: re.Match[str]) -> Answer:
        dandiset = self._find_dandiset(found)
        oldest_first = request.query.get("order", "created") == "created"
        versions = dandiset.all_versions if oldest_first else dandiset.all_versions[::-1]
        return dandi_page(request, versions, lambda version: documents.version_document(dandiset, version))

    def _version_metadata(self, _: Request, found: re.Match[str]) -> Answer:
        dandiset, _files = self._find_version(found)
        return json_answer(documents.version_metadata(dandiset, found["version"]))

    def _version_info(self, _: Request, found: re.Match[str]) -> Answer:
        dandiset, _files = self._find_version(found)
        return json_answer(documents.version_info_document(dandiset, found["version"]))

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
            lambda file: documents.asset_document(file, request.host, metadata=with_metadata),
            is_asset_list=True,
        )

    def _asset_metadata(self, request: Request, found: re.Match[str]) -> Answer:
        return json_answer(documents.asset_metadata(self._find_asset(found), request.host))

    def _asset_info(self, request: Request, found: re.Match[str]) -> Answer:
        return json_answer(documents.asset_document(self._find_asset(found), request.host, metadata=True))

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
