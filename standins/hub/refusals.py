"""What the hub answers where it refuses: the header that its client goes by, and a sentence for people."""

from http import HTTPStatus

from standins.wire.messages import Answer, RefusalError, json_answer


def refusal(status: int, message: str, code: str = "", **headers: str) -> RefusalError:
    """Return the error that ends a request so; `code` is the hub's own name for what is wrong."""
    answer = json_answer({"error": message}, status)
    told = {**answer.headers, "X-Error-Message": message.encode("ascii", "replace").decode(), **headers}
    if code:
        told["X-Error-Code"] = code
    return RefusalError(Answer(status, answer.body, told))


def no_repository(status: int = HTTPStatus.NOT_FOUND) -> RefusalError:
    """Refuse what is asked of a repository that is not there, or not for this client."""
    return refusal(status, "Repository not found", "RepoNotFound")


def no_revision(revision: str) -> RefusalError:
    """Refuse what is asked of a revision that is not there."""
    return refusal(HTTPStatus.NOT_FOUND, f"Invalid rev id: {revision}", "RevisionNotFound")


def no_entry(path: str, commit: str) -> RefusalError:
    """Refuse what is asked of a file that a commit does not have."""
    message = f"{path}: A file with this name doesn't exist"
    return refusal(HTTPStatus.NOT_FOUND, message, "EntryNotFound", **{"X-Repo-Commit": commit})
