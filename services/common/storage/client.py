"""The client of an S3-speaking server: how it is found, signed to, and how patient it is."""

import os
from typing import Any

import boto3
from botocore.config import Config
from botocore.session import Session

from services.common.settings import settings
from services.common.storage.address import ObjectAddress

CONNECTIONS = 8
"""How many objects are best read at once."""
TRIES = 3
_CONNECT_SECONDS = 5
_READ_SECONDS = 60
# Most servers keep the region only in the signature; AWS tells a client of another one.
_ANY_REGION = "us-east-1"
# A profile that is nowhere, or a file that cannot be read, must not keep out who has a key of their own.
_WITHOUT_LOGIN = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


def connect(address: ObjectAddress) -> Any:
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
            retries={"mode": "standard", "total_max_attempts": TRIES},
            # Names of buckets are not names of hosts, but at AWS.
            s3={"addressing_style": "path" if address.endpoint else "auto"},
            # A checksum is given where one is wanted; not every server knows the others.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
