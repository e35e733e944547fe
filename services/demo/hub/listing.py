"""The files of a commit, as they are listed."""

from typing import Any
from urllib.parse import parse_qs

from services.demo.hub.commits import Commit
from services.demo.hub.hub import Hub, Named
from services.demo.hub.pages import page
from services.demo.hub.refusals import no_entry
from services.demo.hub.repository import Repository
from services.demo.hub.tree import Tree, TreeFile, below, folders, tree_id
from services.demo.wire.bodies import whole_body
from services.demo.wire.messages import Answer, Request, json_answer


class Listing:
    """Answers the requests that list files."""

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub

    def tree(self, request: Request, repository: Repository, named: Named) -> Answer:
        """List what is in a folder, or everything below it."""
        commit, folder = repository.commit(named["revision"]), named["path"].strip("/")
        found = below(commit.tree, folder)
        if folder and not found:
            raise no_entry(folder, commit.oid)
        start = f"{folder}/" if folder else ""
        entries = [entry for entry in self._entries(found, commit) if entry["path"].startswith(start)]
        if request.query.get("recursive", "").lower() not in {"true", "1"}:
            entries = [entry for entry in entries if "/" not in entry["path"].removeprefix(start)]
        return page(request, entries, self._hub.limits.page_size)

    def paths(self, request: Request, repository: Repository, named: Named) -> Answer:
        """Describe those of the paths that are there."""
        commit = repository.commit(named["revision"])
        asked = {path.strip("/") for path in parse_qs(whole_body(request).decode()).get("paths", [])}
        return json_answer([each for each in self._entries(commit.tree, commit) if each["path"] in asked])

    def _entries(self, tree: Tree, commit: Commit) -> list[dict[str, Any]]:
        """Describe files, and the folders that lead to them, in the order of their paths."""
        files = [self._file_entry(path, file) for path, file in tree.items()]
        ways = [_folder_entry(folder, commit.tree) for folder in folders(tree)]
        return sorted(files + ways, key=lambda entry: str(entry["path"]))

    def _file_entry(self, path: str, file: TreeFile) -> dict[str, Any]:
        entry: dict[str, Any] = {"type": "file", "oid": file.blob, "size": file.size, "path": path}
        if file.large:
            entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": file.pointer_size}
        if file.large and (name := self._hub.xet.name_of(file.sha256, file.size)):
            entry["xetHash"] = name
        return entry


def _folder_entry(folder: str, tree: Tree) -> dict[str, Any]:
    return {"type": "directory", "oid": tree_id(below(tree, folder)), "size": 0, "path": folder}
