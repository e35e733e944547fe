"""Who asks, and repositories that begin."""

from http import HTTPStatus

from services.demo.hub import attributes
from services.demo.hub.commits import make_commit
from services.demo.hub.documents import NewRepository, read_document
from services.demo.hub.hub import Hub, Named
from services.demo.hub.refusals import refusal
from services.demo.hub.repository import Repository
from services.demo.hub.tree import regular_file
from services.demo.wire.messages import Answer, Request, json_answer

USER = "made-up"


class Accounts:
    """Answers that no repository is needed for."""

    def __init__(self, hub: Hub) -> None:
        """Answer for a hub."""
        self._hub = hub

    def whoami(self, request: Request, _: Named) -> Answer:
        """Tell who asks; who does not say so is refused, also where everybody may write."""
        role = self._hub.access.role(request)
        if role is None or "authorization" not in request.headers:
            raise refusal(HTTPStatus.UNAUTHORIZED, "Invalid username or password.")
        token = {"displayName": USER, "role": role.value}
        return json_answer(
            {
                "type": "user",
                "id": USER,
                "name": USER,
                "fullname": USER,
                "orgs": [],
                "auth": {"type": "access_token", "accessToken": token},
            }
        )

    def create(self, request: Request, _: Named) -> Answer:
        """Create a dataset; one that is there is a conflict, whose answer says where it is."""
        asked = read_document(request, NewRepository)
        if asked.type != "dataset":
            raise refusal(HTTPStatus.BAD_REQUEST, "The made-up hub has datasets only.")
        repository = self._hub.repositories.place(_identifier(asked))
        found = {"url": f"http://{request.host}/datasets/{repository.identifier}"}
        with repository.lock:
            if repository.exists:
                told = {**found, "error": "You already created this dataset repo"}
                return json_answer(told, HTTPStatus.CONFLICT)
            _begin(repository, private=asked.visibility == "private")
        return json_answer(found)


def _identifier(asked: NewRepository) -> str:
    return f"{asked.organization or USER}/{asked.name}"


def _begin(repository: Repository, *, private: bool) -> None:
    """Create a repository as the hub does: with a first commit, of attributes."""
    content = attributes.first_attributes()
    file = regular_file(content)
    repository.objects.take(iter([content]), file.sha256, file.size)
    repository.create(make_commit({attributes.NAME: file}, "initial commit"), private=private)
