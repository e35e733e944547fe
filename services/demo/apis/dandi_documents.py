"""The JSON documents of DANDI's API."""

from typing import Any

from services.demo.archive import DRAFT, Dandiset
from services.demo.archive_file import ArchiveFile
from services.demo.fixed_ids import fixed_uuid
from services.demo.storage.objects import blob_path, storage_base

_DATE = "2024-01-05T09:00:00Z"
_OWNER = "Made-up, Nobody"


def info_document(host: str) -> dict[str, Any]:
    """Describe this instance of the archive."""
    return {
        "schema_version": "0.6.10",
        "allowed_schema_versions": ["0.6.10"],
        "version": "0.4.0",
        "cli-minimal-version": "0.60.0",
        "cli-bad-versions": [],
        "services": {
            "api": {"url": f"http://{host}/api"},
            "webui": {"url": f"http://{host}"},
            "jupyterhub": None,
        },
        "instance_config": {"instance_name": "MADE-UP"},
    }


def asset_document(file: ArchiveFile, host: str, *, metadata: bool = False) -> dict[str, Any]:
    """Describe an asset as a listing does, with its metadata where they are asked for."""
    is_zarr = file.kind == "zarr"
    document = {
        "asset_id": file.asset_id,
        "blob": None if is_zarr else file.blob_id,
        "zarr": fixed_uuid("zarr", file.asset_id) if is_zarr else None,
        "path": file.path,
        "size": file.size,
        "created": _DATE,
        "modified": _DATE,
    }
    return document | ({"metadata": asset_metadata(file, host)} if metadata else {})


def asset_metadata(file: ArchiveFile, host: str) -> dict[str, Any]:
    """Return what the archive knows of an asset: digests, addresses, and what was measured."""
    return {
        "schemaKey": "Asset",
        "schemaVersion": "0.6.10",
        "id": f"dandiasset:{file.asset_id}",
        "identifier": file.asset_id,
        "path": file.path,
        "contentSize": file.size,
        "contentUrl": [
            f"http://{host}/api/assets/{file.asset_id}/download/",
            f"{storage_base(host)}{blob_path(file)}",
        ],
        "digest": file.say(_digests(file)),
        "encodingFormat": "application/x-zarr" if file.kind == "zarr" else "application/x-nwb",
        "variableMeasured": [{"schemaKey": "PropertyValue", "value": name} for name in file.variables],
    }


def _digests(file: ArchiveFile) -> dict[str, str]:
    if file.kind == "zarr":
        return {"dandi:dandi-zarr-checksum": f"{file.digests.md5}-1--{file.size}"}
    return {"dandi:dandi-etag": file.digests.dandi_etag, "dandi:sha2-256": file.digests.sha256}


def dandiset_document(dandiset: Dandiset) -> dict[str, Any]:
    """Describe a dandiset with its newest published version, if any, and its draft."""
    newest = version_document(dandiset, dandiset.published[-1]) if dandiset.published else None
    return _dandiset_summary(dandiset) | {
        "most_recent_published_version": newest,
        "draft_version": version_document(dandiset, DRAFT),
    }


def version_document(dandiset: Dandiset, version: str) -> dict[str, Any]:
    """Describe a version."""
    files = dandiset.files(version) or ()
    return {
        "version": version,
        "name": dandiset.name,
        "asset_count": len(files),
        "active_uploads": 0,
        "size": sum(file.size for file in files),
        "status": "Valid" if version == DRAFT else "Published",
        "created": _DATE,
        "modified": _DATE,
        "dandiset": _dandiset_summary(dandiset),
        "release_notes": None,
    }


def version_info_document(dandiset: Dandiset, version: str) -> dict[str, Any]:
    """Describe a version at length."""
    return version_document(dandiset, version) | {
        "asset_validation_errors": [],
        "version_validation_errors": [],
        "contact_person": _OWNER,
        "metadata": version_metadata(dandiset, version),
    }


def version_metadata(dandiset: Dandiset, version: str) -> dict[str, Any]:
    """Return the metadata of a version."""
    return {
        "schemaKey": "Dandiset",
        "schemaVersion": "0.6.10",
        "id": f"DANDI:{dandiset.identifier}/{version}",
        "identifier": f"DANDI:{dandiset.identifier}",
        "name": dandiset.name,
        "version": version,
        "description": "Made-up data for spikemill's demo and tests; they mean nothing.",
        "license": ["spdx:CC0-1.0"],
    }


def _dandiset_summary(dandiset: Dandiset) -> dict[str, Any]:
    return {
        "identifier": dandiset.identifier,
        "created": _DATE,
        "modified": _DATE,
        "contact_person": _OWNER,
        "embargo_status": "EMBARGOED" if dandiset.is_embargoed else "OPEN",
    }
