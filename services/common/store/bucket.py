"""The requests that a store makes of its bucket, each whole or an error for people."""

import base64
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore import exceptions as client_errors
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from spikemill.services.common.errors import StoreAwayError, StoreError, StoreSettingsError
from spikemill.services.common.retry import ASKS_TO_WAIT, Backoff, is_transient
from spikemill.services.common.settings import settings
from spikemill.services.common.store.base import ObjectAddress

_MIB = 1 << 20
# An answer that began and broke off.
_BROKEN_OFF = (client_errors.IncompleteReadError, client_errors.ResponseStreamingError)
_TRIES = 3
# The client itself tries requests again, but not an answer that breaks off.
_BACKOFF = Backoff(tries=_TRIES, first_pause=0.2, longest_pause=5.0, jitter=True)
_UPLOADS = TransferConfig(multipart_threshold=1, multipart_chunksize=64 * _MIB, max_concurrency=4)
_DOWNLOADS = TransferConfig(multipart_threshold=32 * _MIB, multipart_chunksize=16 * _MIB, max_concurrency=4)
CONNECTIONS = 8
"""How many objects are best read at once."""
_CONNECT_SECONDS = 5
_READ_SECONDS = 60
# Most servers keep the region only in the signature; AWS tells a client of another one.
_ANY_REGION = "us-east-1"
# A missing profile or an unreadable file of AWS must not matter where the settings have a key.
_WITHOUT_LOGIN = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
_ABSENT_KEY = frozenset({"NoSuchKey", "404"})
_ALREADY_THERE = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_BEYOND_THE_END = "InvalidRange"
_AWAY = (client_errors.ConnectionError, client_errors.HTTPClientError, *_BROKEN_OFF)
_WAIT = frozenset({"SlowDown", "RequestTimeout", "Throttling", "TooManyRequests"})
_OTHER_REGION = frozenset({"PermanentRedirect", "AuthorizationHeaderMalformed", "301"})


@dataclass(frozen=True, slots=True)
class Standing:
    """An object as its server knows it; the sha256 only where it checked one of the whole."""

    size: int
    etag: str
    sha256: str | None


class Bucket:
    """The bucket of an address, with keys as they are there."""

    def __init__(self, address: ObjectAddress) -> None:
        self._address = address
        with _translated(address):
            self._client = _connect(address)

    def head(self, key: str) -> Standing | None:
        """Return what stands under a key, if anything does."""
        with self._asked(*_ABSENT_KEY):
            found = self._client.head_object(Bucket=self._address.bucket, Key=key, ChecksumMode="ENABLED")
            return Standing(found["ContentLength"], found["ETag"], _whole_sha256(found))
        return None

    def get(self, key: str, byte_range: str | None = None) -> bytes | None:
        """Return an object's bytes, or those of a range (`bytes=...`); None where there is no such object.

        A range beyond its end has no bytes.
        """
        options = {} if byte_range is None else {"Range": byte_range}

        def whole() -> bytes:
            try:
                answer = self._client.get_object(Bucket=self._address.bucket, Key=key, **options)
                content: bytes = answer["Body"].read()
            except ClientError as error:
                if _code_of(error) == _BEYOND_THE_END:
                    return b""
                raise
            return content

        with self._asked(*_ABSENT_KEY):
            return _BACKOFF.retrying(lambda error: isinstance(error, _BROKEN_OFF))(whole)
        return None

    def put(self, key: str, body: BinaryIO | bytes, *, sha256: str, replace: bool = True) -> None:
        """Put an object in one request, which the server refuses unless the bytes have this sha256.

        Without `replace` an object that is under the key already stays.
        """
        expected, condition = ((), {}) if replace else (_ALREADY_THERE, {"IfNoneMatch": "*"})
        with self._asked(*expected):
            self._client.put_object(
                Bucket=self._address.bucket,
                Key=key,
                Body=body,
                ChecksumAlgorithm="SHA256",
                ChecksumSHA256=base64.b64encode(bytes.fromhex(sha256)).decode(),
                **condition,
            )

    def upload(self, path: Path, key: str) -> None:
        """Put a file in parts, each with its own sha256; it is there when the last one is."""
        with self._asked():
            self._client.upload_file(
                str(path),
                self._address.bucket,
                key,
                ExtraArgs={"ChecksumAlgorithm": "SHA256"},
                Config=_UPLOADS,
            )

    def download(self, key: str, path: Path) -> bool:
        """Write an object into a file, and tell whether there is one."""
        with self._asked(*_ABSENT_KEY):
            self._client.download_file(self._address.bucket, key, str(path), Config=_DOWNLOADS)
            return True
        return False

    def sizes(self, prefix: str) -> Mapping[str, int]:
        """Return the size of every object whose key begins so, by its key."""
        with self._asked():
            return {
                each["Key"]: each["Size"]
                for page in self._pages("list_objects_v2", Prefix=prefix)
                for each in page.get("Contents", ())
            }

    def folders(self, prefix: str) -> list[str]:
        """Return what stands between the prefix and the next slash in all keys that have one there."""
        with self._asked():
            return [
                each["Prefix"][len(prefix) : -1]
                for page in self._pages("list_objects_v2", Prefix=prefix, Delimiter="/")
                for each in page.get("CommonPrefixes", ())
            ]

    def unfinished(self, prefix: str) -> list[tuple[str, str]]:
        """Return (key, number) of each upload in parts that was begun and not ended."""
        with self._asked():
            return [
                (each["Key"], each["UploadId"])
                for page in self._pages("list_multipart_uploads", Prefix=prefix)
                for each in page.get("Uploads", ())
            ]

    def give_up(self, key: str, upload: str) -> None:
        """Abort an upload and drop its parts; a missing one is ok."""
        with self._asked("NoSuchUpload", *_ABSENT_KEY):
            self._client.abort_multipart_upload(Bucket=self._address.bucket, Key=key, UploadId=upload)

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is ok."""
        with self._asked():
            self._client.delete_object(Bucket=self._address.bucket, Key=key)

    def _pages(self, operation: str, **options: str) -> Iterator[dict[str, Any]]:
        pages: Iterator[dict[str, Any]] = iter(
            self._client.get_paginator(operation).paginate(Bucket=self._address.bucket, **options)
        )
        return pages

    @contextmanager
    def _asked(self, *expected: str) -> Iterator[None]:
        """End the block at a refusal with an expected code; raise a `StoreError` for every other failure."""
        with _translated(self._address):
            try:
                yield
            except ClientError as error:
                if _code_of(error) not in expected:
                    raise


def _whole_sha256(found: Mapping[str, Any]) -> str | None:
    """Return the sha256 that the server checked; what was put in parts has only one of their digests."""
    in_parts = "-" in found["ETag"] or found.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT"
    checksum = found.get("ChecksumSHA256")
    return None if checksum is None or in_parts else base64.b64decode(checksum).hex()


def _connect(address: ObjectAddress) -> Any:
    """Return a client that tries a request again for seconds only: longer waits are the ledger's."""
    key, secret = settings().store_access_key_id, settings().store_secret_access_key
    session = boto3.Session(botocore_session=Session(None if key is None else _WITHOUT_LOGIN))
    return session.client(
        "s3",
        endpoint_url=address.endpoint,
        region_name=session.region_name or _ANY_REGION,
        aws_access_key_id=None if key is None else key.get_secret_value(),
        aws_secret_access_key=None if secret is None else secret.get_secret_value(),
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            max_pool_connections=2 * CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": _TRIES},
            # Names of buckets are not names of hosts, but at AWS.
            s3={"addressing_style": "path" if address.endpoint else "auto"},
            # A checksum is given where one is wanted; not every server knows the others.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


@contextmanager
def _translated(address: ObjectAddress) -> Iterator[None]:
    """Raise a `StoreError` where a request to the store's server fails.

    Of what the client says only the kind is repeated: its text may hold a signed address.
    """
    try:
        yield
    except ClientError as error:
        raise _refused(error, address) from error
    except client_errors.SSLError as error:
        raise StoreSettingsError(
            f"The certificate of {address.server} is not trusted; name its authority in AWS_CA_BUNDLE."
        ) from error
    except _AWAY as error:
        raise _away(error, address) from error
    except BotoCoreError as error:
        raise StoreSettingsError(_access_denied(type(error).__name__, address)) from error
    except Boto3Error as error:
        # A transfer in parts hides what the server said.
        cause = error.__context__
        raise (
            _refused(cause, address) if isinstance(cause, ClientError) else _away(error, address)
        ) from error


def _code_of(error: ClientError) -> str:
    """Return the server's own code for its refusal."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _refused(error: ClientError, address: ObjectAddress) -> StoreError:
    code = _code_of(error)
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    told = code if code == str(status) else f"{status} {code}"
    return (
        _wrong_settings(code, status, told, address)
        or _passing(code, status, told, address)
        or StoreError(f"{address} does not accept {error.operation_name} ({told}); see its server's log.")
    )


def _wrong_settings(code: str, status: int, told: str, address: ObjectAddress) -> StoreSettingsError | None:
    if code == "NoSuchBucket":
        return StoreSettingsError(
            f"There is no bucket {address.bucket} at {address.server}; make it, or correct SPIKEMILL_STORE."
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return StoreSettingsError(_access_denied(told, address))
    if code in _OTHER_REGION:
        return StoreSettingsError(
            f"The bucket {address.bucket} stands in another region ({told}); name it in AWS_DEFAULT_REGION."
        )
    if status == HTTPStatus.NOT_IMPLEMENTED:
        return StoreSettingsError(
            f"The server of {address} cannot do what a store needs ({told}): conditional writes, ranges and "
            "uploads in parts; use another one."
        )
    return None


def _passing(code: str, status: int, told: str, address: ObjectAddress) -> StoreAwayError | None:
    if code in _WAIT or status in ASKS_TO_WAIT:
        return StoreAwayError(f"The store's server ({address.server}) asks to wait ({told}).")
    if is_transient(status):
        return StoreAwayError(
            f"The store's server ({address.server}) is in trouble ({told}); see its log if it stays so."
        )
    return None


def _away(error: Exception, address: ObjectAddress) -> StoreAwayError:
    return StoreAwayError(
        f"The store's server ({address.server}) could not be reached, or the connection broke "
        f"({type(error).__name__}); see that it runs and that SPIKEMILL_STORE_ENDPOINT names it."
    )


def _access_denied(told: str, address: ObjectAddress) -> str:
    return (
        f"The store {address} denied access with these credentials ({told}): set "
        "SPIKEMILL_STORE_ACCESS_KEY_ID and SPIKEMILL_STORE_SECRET_ACCESS_KEY, or AWS's own variables or "
        "files, to a key that may read, write, list and delete there."
    )
