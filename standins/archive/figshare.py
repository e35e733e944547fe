"""figshare's API, version 2, below `/v2/`: what reading a public article asks for."""

import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, TypeVar

from standins.archive.content import ArchiveFile, Article, MadeUpArchive
from standins.archive.storage import SignedLinks, deposit_path, storage_base
from standins.wire.messages import Answer, RefusalError, Request, json_answer, redirect

PREFIX = "/v2/"
_ARTICLE = r"articles/(?P<article>\d+)"
_VERSION = rf"{_ARTICLE}/versions/(?P<version>\d+)"
_DEFAULT_SIZE = 10
_LARGEST_SIZE = 1000
Item = TypeVar("Item")
_FILES_IN_ARTICLE = 10


def website_answer(_: Request) -> Answer:
    """Answer as the website's guard does when no browser calls: 202, a challenge, and no content."""
    return Answer(HTTPStatus.ACCEPTED, headers={"x-amzn-waf-action": "challenge"})


class FigshareApi:
    """Answers requests for articles and their files."""

    def __init__(self, archive: MadeUpArchive, links: SignedLinks) -> None:
        """Serve an archive's articles; `links` signs the way to their content."""
        self._archive = archive
        self._links = links
        self._routes: dict[str, Callable[[Request, re.Match[str]], Answer]] = {
            _ARTICLE: self._article,
            rf"{_ARTICLE}/files": self._files,
            rf"{_ARTICLE}/versions": self._versions,
            _VERSION: self._article,
            rf"{_VERSION}/files": self._files,
            r"file/download/(?P<file>\d+)": self._download,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a request below `PREFIX`."""
        path = request.path.removeprefix(PREFIX)
        for route, answer in self._routes.items():
            if request.method in {"GET", "HEAD"} and (found := re.fullmatch(route, path)):
                return answer(request, found)
        return _error(HTTPStatus.NOT_FOUND, "RouteNotFound", "No such route")

    def _article(self, request: Request, found: re.Match[str]) -> Answer:
        article, version = self._find_version(found)
        return json_answer(article_document(article, version, request.host))

    def _files(self, request: Request, found: re.Match[str]) -> Answer:
        article, version = self._find_version(found)
        page = _page(request, article.versions[version])
        return json_answer([file_document(file, request.host) for file in page])

    def _versions(self, request: Request, found: re.Match[str]) -> Answer:
        article, _ = self._find_version(found)
        return json_answer(
            [version_document(article, version, request.host) for version in sorted(article.versions)]
        )

    def _download(self, request: Request, found: re.Match[str]) -> Answer:
        file = self._archive.article_file(int(found["file"]))
        if file is None or file.kind == "link":
            raise RefusalError(_error(HTTPStatus.NOT_FOUND, "EntityNotFound", "Entity not found: file"))
        return redirect(self._links.sign(storage_base(request.host), deposit_path(file), file.name))

    def _find_version(self, found: re.Match[str]) -> tuple[Article, int]:
        """Find the article that the path names, and its version, by default the newest."""
        article = self._archive.article(int(found["article"]))
        if article is None:
            raise RefusalError(_error(HTTPStatus.NOT_FOUND, "EntityNotFound", "Entity not found: article"))
        version = int(found.groupdict().get("version") or article.newest)
        if version not in article.versions:
            raise RefusalError(_error(HTTPStatus.NOT_FOUND, "EntityNotFound", "Entity not found: version"))
        return article, version


def _page(request: Request, items: Sequence[Item]) -> Sequence[Item]:
    """Cut the page that the query names by page and page_size, or by offset and limit."""
    query = request.query
    size = _number(query.get("page_size", query.get("limit", "")), _DEFAULT_SIZE)
    if not 1 <= size <= _LARGEST_SIZE:
        complaint = f"page_size and limit lie between 1 and {_LARGEST_SIZE}"
        raise RefusalError(_error(HTTPStatus.BAD_REQUEST, "BadRequest", complaint))
    first = _number(query.get("offset", ""), (_number(query.get("page", ""), 1) - 1) * size)
    return items[first : first + size]


def _number(text: str, default: int) -> int:
    return int(text) if text.isdecimal() else default


def _error(status: int, code: str, message: str) -> Answer:
    return json_answer({"code": code, "message": message}, status)


def article_document(article: Article, version: int, host: str) -> dict[str, Any]:
    """Describe a version of an article; it shows ten files at most, however many there are."""
    files = article.versions[version]
    return {
        "id": article.identifier,
        "title": article.title,
        "version": version,
        "url": f"http://{host}/v2/articles/{article.identifier}",
        "description": "Made-up data for spikemill's demo and tests; they mean nothing.",
        "license": {"value": 2, "name": "CC0", "url": "https://creativecommons.org/publicdomain/zero/1.0/"},
        "is_public": True,
        "is_embargoed": False,
        "is_confidential": False,
        "download_disabled": False,
        "size": sum(file.size for file in files),
        "files": [file_document(file, host) for file in files[:_FILES_IN_ARTICLE]],
        "folder_structure": {str(file.number): file.folder for file in files if file.folder},
    }


def file_document(file: ArchiveFile, host: str) -> dict[str, Any]:
    """Describe a file; its `download_url` is on the website, whose guard lets only browsers in."""
    digests = {"supplied_md5": file.digests.md5, "computed_md5": file.digests.md5}
    return {
        "id": file.number,
        "name": file.name,
        "size": file.size,
        "is_link_only": file.kind == "link",
        "download_url": f"http://{host}/ndownloader/files/{file.number}",
        "mimetype": "application/x-hdf5" if file.name.endswith(".nwb") else "text/plain",
        **file.say(digests),
    }


def version_document(article: Article, version: int, host: str) -> dict[str, Any]:
    """Describe one entry of an article's history."""
    return {
        "version": version,
        "url": f"http://{host}/v2/articles/{article.identifier}/versions/{version}",
    }
