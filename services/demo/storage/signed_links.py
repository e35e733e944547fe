"""Links to the storage that hold for one method and a limited time, signed as S3's are."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import quote, urlencode

from services.demo.wire.messages import Answer, Request

LIFETIME = timedelta(hours=6)
_SIGNATURE = "X-Amz-Signature"
_DATE_FORM = "%Y%m%dT%H%M%SZ"


class SignedLinks:
    """Signs links and checks them; `expire` makes all links of before too old."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Start with a secret of its own."""
        self._secret = secrets.token_bytes(32)
        self._clock = clock
        self._elapsed = timedelta()

    def expire(self) -> None:
        """Let every link that was given out so far run out."""
        self._elapsed += LIFETIME + timedelta(seconds=2)

    def sign(self, base: str, path: str, file_name: str) -> str:
        """Return a link for GET to a path of the storage at `base`."""
        query = {
            "response-content-disposition": f'attachment; filename="{file_name}"',
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"MADEUP/{self._now():%Y%m%d}/us-east-1/s3/aws4_request",
            "X-Amz-Date": self._now().strftime(_DATE_FORM),
            "X-Amz-Expires": str(int(LIFETIME.total_seconds())),
            "X-Amz-SignedHeaders": "host",
        }
        query[_SIGNATURE] = self._signature("GET", path, query)
        return f"{base}{quote(path)}?{urlencode(query, quote_via=quote)}"

    def refusal(self, request: Request) -> Answer | None:
        """Return why a signed request is refused, or None where its link is good."""
        query = request.query
        if "authorization" in request.headers:
            return storage_error(HTTPStatus.BAD_REQUEST, "InvalidArgument", "Only one auth mechanism allowed")
        given = query.pop(_SIGNATURE)
        if not hmac.compare_digest(given, self._signature(request.method, request.path, query)):
            return storage_error(
                HTTPStatus.FORBIDDEN,
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided.",
            )
        signed = datetime.strptime(query["X-Amz-Date"], _DATE_FORM).replace(tzinfo=UTC)
        if self._now() > signed + timedelta(seconds=int(query["X-Amz-Expires"])):
            return storage_error(HTTPStatus.FORBIDDEN, "AccessDenied", "Request has expired")
        return None

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC) + self._elapsed

    def _signature(self, method: str, path: str, query: dict[str, str]) -> str:
        text = "\n".join([method, path, urlencode(sorted(query.items()))])
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()


def storage_error(status: int, code: str, message: str) -> Answer:
    """Answer with an error in the XML of S3."""
    document = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(
        status,
        f'<?xml version="1.0" encoding="UTF-8"?>\n{document}'.encode(),
        {"Content-Type": "application/xml"},
    )


def is_signed(request: Request) -> bool:
    """Tell whether the request carries a signature."""
    return _SIGNATURE in request.query
