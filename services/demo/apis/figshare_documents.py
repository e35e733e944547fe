"""The JSON documents of figshare's API."""

from typing import Any

from services.demo.archive import Article
from services.demo.archive_file import ArchiveFile

_FILES_IN_ARTICLE = 10


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
