"""A server that speaks S3 beside a test, and the key to it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from boto3 import Session

_PROGRAM = Path(__file__).with_name("program.py")
_BUCKET = "lab-store"
_REGION = "us-east-1"
_POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
)
# Making a user, his policy, his key and the bucket; after them every request must be signed with the key.
_OPEN_REQUESTS = 4


@dataclass(frozen=True)
class Request:
    """A request that the server saw, and how many bytes travelled in its body and in the answer's."""

    method: str
    path: str
    query: str
    sent: int
    received: int


@dataclass(frozen=True)
class S3Server:
    """Where it is, and who may use its bucket."""

    endpoint: str
    key_id: str
    secret: str
    bucket: str = _BUCKET

    def environment(self, prefix: str) -> Mapping[str, str]:
        """Return the settings of a store under a prefix, in AWS's own names where there are such."""
        return {
            "SPIKEMILL_STORE": f"s3://{self.bucket}/{prefix}",
            "SPIKEMILL_STORE_ENDPOINT": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }

    def client(self, kind: str = "s3") -> Any:
        """Return a client of its own right, beside the store's."""
        return _client(kind, self.endpoint, self.key_id, self.secret)

    def names(self, prefix: str) -> list[str]:
        """Return the names of all objects under a prefix."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [each["Key"].removeprefix(prefix) for page in pages for each in page.get("Contents", ())]

    def requests(self) -> list[Request]:
        """Return all requests since the last time, but the tests' own."""
        return [Request(**entry) for entry in httpx.get(f"{self.endpoint}/-/forget").json()]

    def fail(self, *faults: Mapping[str, Any]) -> None:
        """Let requests fail: each fault has `where` (of method and path), `times`, and what happens."""
        httpx.post(f"{self.endpoint}/-/faults", json=list(faults))


def refuse(where: str, status: int, code: str, times: int = 1) -> Mapping[str, Any]:
    """Answer so many requests with an error."""
    return {"where": where, "times": times, "status": status, "code": code}


def cut(where: str, after: int, times: int = 1) -> Mapping[str, Any]:
    """Break so many answers off after some bytes."""
    return {"where": where, "times": times, "cut": after}


def lose(where: str, after: int, times: int = 1) -> Mapping[str, Any]:
    """Take only the first bytes of so many bodies, and say nothing."""
    return {"where": where, "times": times, "lose": after}


@contextmanager
def serve_s3(address: str = "127.0.0.1") -> Iterator[S3Server]:
    """Run a server with an empty bucket, and one user who may do everything with it."""
    environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": str(_OPEN_REQUESTS)}
    with subprocess.Popen(
        [sys.executable, str(_PROGRAM), address],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield _with_user(f"http://{address}:{int(process.stdout.readline())}")
        finally:
            process.kill()


def _with_user(endpoint: str) -> S3Server:
    users = _client("iam", endpoint, "nobody", "nothing")
    users.create_user(UserName="lab")
    users.put_user_policy(UserName="lab", PolicyName="everything", PolicyDocument=_POLICY)
    key = users.create_access_key(UserName="lab")["AccessKey"]
    server = S3Server(endpoint, key["AccessKeyId"], key["SecretAccessKey"])
    server.client().create_bucket(Bucket=server.bucket)
    return server


def _client(kind: str, endpoint: str, key_id: str, secret: str) -> Any:
    return Session().client(
        kind,
        endpoint_url=endpoint,
        region_name=_REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )


def by_folder(requests: Sequence[Request], folder: str) -> list[Request]:
    """Return the requests for what lies below a folder."""
    return [request for request in requests if f"/{folder}/" in urlsplit(request.path).path]
