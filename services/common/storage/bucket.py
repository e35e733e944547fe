"""The requests that a store makes of its bucket, each whole or an error for people."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from services.common.storage.address import ObjectAddress
from services.common.storage.client import TRIES, connect
from services.common.storage.refusals import (
    ABSENT_KEY,
    ALREADY_THERE,
    BEYOND_THE_END,
    BROKEN_OFF,
    code_of,
    refusals,
)

_MIB = 1 << 20
# The client itself tries requests again, but not an answer that breaks off.
_AGAIN = Retrying(
    retry=retry_if_exception_type(BROKEN_OFF),
    stop=stop_after_attempt(TRIES),
    wait=wait_random_exponential(multiplier=0.2, max=5),
    reraise=True,
)
_UPLOADS = TransferConfig(multipart_threshold=1, multipart_chunksize=64 * _MIB, max_concurrency=4)
_DOWNLOADS = TransferConfig(multipart_threshold=32 * _MIB, multipart_chunksize=16 * _MIB, max_concurrency=4)


@dataclass(frozen=True, slots=True)
class Standing:
    """An object as its server knows it; the sha256 only where it checked one of the whole."""

    size: int
    etag: str
    sha256: str | None


class Bucket:
    """The bucket of an address, with keys as they are there."""

    def __init__(self, address: ObjectAddress) -> None:
        """Prepare to connect; the first request does."""
        self._address = address
        with refusals(address):
            self._client = connect(address)

    def head(self, key: str) -> Standing | None:
        """Return what stands under a key, if anything does."""
        with self._asked():
            try:
                found = self._client.head_object(Bucket=self._address.bucket, Key=key, ChecksumMode="ENABLED")
            except ClientError as error:
                if code_of(error) in ABSENT_KEY:
                    return None
                raise
        return Standing(found["ContentLength"], found["ETag"], _whole_sha256(found))

    def get(self, key: str, byte_range: str | None = None) -> bytes | None:
        """Return an object's bytes, or those of a range (`bytes=...`); None where there is no such object.

        A range beyond its end has no bytes.
        """
        with self._asked():
            return _AGAIN(self._get, key, {} if byte_range is None else {"Range": byte_range})

    def _get(self, key: str, options: Mapping[str, str]) -> bytes | None:
        try:
            answer = self._client.get_object(Bucket=self._address.bucket, Key=key, **options)
            content: bytes = answer["Body"].read()
        except ClientError as error:
            if code_of(error) in ABSENT_KEY:
                return None
            if code_of(error) == BEYOND_THE_END:
                return b""
            raise
        return content

    def put(self, key: str, body: BinaryIO | bytes, *, sha256: str) -> None:
        """Put an object in one request, which the server refuses unless the bytes have this sha256."""
        with self._asked():
            self._put(key, body, sha256)

    def put_new(self, key: str, body: bytes, *, sha256: str) -> None:
        """Put an object unless there is one under its key already."""
        with self._asked():
            try:
                self._put(key, body, sha256, IfNoneMatch="*")
            except ClientError as error:
                if code_of(error) not in ALREADY_THERE:
                    raise

    def _put(self, key: str, body: BinaryIO | bytes, sha256: str, **condition: str) -> None:
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
        with self._asked():
            try:
                self._client.download_file(self._address.bucket, key, str(path), Config=_DOWNLOADS)
            except ClientError as error:
                if code_of(error) in ABSENT_KEY:
                    return False
                raise
        return True

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
        """Throw the parts of an upload away; one that is gone already is no error."""
        with self._asked():
            try:
                self._client.abort_multipart_upload(Bucket=self._address.bucket, Key=key, UploadId=upload)
            except ClientError as error:
                if code_of(error) not in {"NoSuchUpload", *ABSENT_KEY}:
                    raise

    def delete(self, key: str) -> None:
        """Remove an object; one that is gone already is no error."""
        with self._asked():
            self._client.delete_object(Bucket=self._address.bucket, Key=key)

    def _pages(self, operation: str, **options: str) -> Iterator[dict[str, Any]]:
        pages: Iterator[dict[str, Any]] = iter(
            self._client.get_paginator(operation).paginate(Bucket=self._address.bucket, **options)
        )
        return pages

    @contextmanager
    def _asked(self) -> Iterator[None]:
        with refusals(self._address):
            yield


def _whole_sha256(found: Mapping[str, Any]) -> str | None:
    """Return the sha256 that the server checked; what was put in parts has only one of their digests."""
    in_parts = "-" in found["ETag"] or found.get("ChecksumType", "FULL_OBJECT") != "FULL_OBJECT"
    checksum = found.get("ChecksumSHA256")
    return None if checksum is None or in_parts else base64.b64decode(checksum).hex()
