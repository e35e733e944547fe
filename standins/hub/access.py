"""Who may do what: with no tokens configured access is open, else the token's role decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus

from standins.hub.refusals import no_repository, refusal
from standins.hub.repository import Repository
from standins.wire.messages import Request


class Role(StrEnum):
    """What a token is good for."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Access:
    """The tokens that the hub knows."""

    tokens: Mapping[str, Role] = field(default_factory=dict)

    def role(self, request: Request) -> Role | None:
        """Return the role of who asks, None for nobody in particular; an unknown token is refused."""
        if not self.tokens:
            return Role.WRITE
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if not token:
            return None
        if kind != "Bearer" or token not in self.tokens:
            raise refusal(HTTPStatus.UNAUTHORIZED, "Invalid credentials in Authorization header")
        return self.tokens[token]

    def require_write(self, request: Request) -> None:
        """Refuse who may not write."""
        role = self.role(request)
        if role is None:
            raise refusal(HTTPStatus.UNAUTHORIZED, "Invalid username or password.")
        if role is not Role.WRITE:
            raise refusal(HTTPStatus.FORBIDDEN, "You don't have write access: the token's role is read.")

    def require_read(self, request: Request, repository: Repository) -> None:
        """Refuse who may not see a repository, without saying that it is there."""
        if self.role(request) is None and repository.facts.private:
            raise no_repository(HTTPStatus.UNAUTHORIZED)
