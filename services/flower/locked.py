"""Flower with every page behind its password: by itself it leaves metrics, health and static files open."""

import hmac
from http import HTTPStatus
from typing import Any

from flower.app import Flower
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.web import RequestHandler

from services.flower.credentials import authorization

REFUSAL = "Say the name spikemill and its password.\n"


class Denied(RequestHandler):
    """The answer to whoever does not say the password, whatever was asked for."""

    def check_xsrf_cookie(self) -> None:
        """Care for no cookie: there is nothing here that a foreign page could have done."""

    def prepare(self) -> None:
        """Ask for the password."""
        self.set_status(HTTPStatus.UNAUTHORIZED)
        self.set_header("WWW-Authenticate", 'Basic realm="spikemill"')
        self.finish(REFUSAL)


class LockedFlower(Flower):  # type: ignore[misc]  # Flower has no types
    """Lets nobody in without the password."""

    def find_handler(self, request: HTTPServerRequest, **arguments: Any) -> HTTPMessageDelegate:
        """Return what answers a request: what was asked for, or a refusal."""
        handler: HTTPMessageDelegate = (
            super().find_handler(request, **arguments)
            if self._may_look(request)
            else self.get_handler_delegate(request, Denied)
        )
        return handler

    def _may_look(self, request: HTTPServerRequest) -> bool:
        given = request.headers.get("Authorization", "").encode()
        return any(
            hmac.compare_digest(given, authorization(credentials).encode())
            for credentials in self.options.basic_auth
        )
