"""Small wheels made by a test, an index of them, and a lock of some of them."""

import base64
import hashlib
import ssl
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any


def make_wheel(folder: Path, name: str, version: str, *metadata: str) -> Path:
    """Write a wheel that holds one empty module; `metadata` are more lines of its description."""
    info = f"{name}-{version}.dist-info"
    contents = {
        f"{name}.py": "",
        f"{info}/METADATA": "\n".join(
            ("Metadata-Version: 2.3", f"Name: {name}", f"Version: {version}", *metadata, "")
        ),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [f"{path},{_record_hash(text)},{len(text)}" for path, text in contents.items()]
    contents[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in contents.items():
            archive.writestr(path, text)
    return wheel


def write_lock(path: Path, wheels: Iterable[Path]) -> Path:
    """Write a lock of these wheels, with their hashes."""
    lines = []
    for wheel in wheels:
        name, version, *_ = wheel.name.split("-")
        lines.append(
            f"{name}=={version} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}"
        )
    path.write_text("\n".join([*lines, ""]))
    return path


class _Quiet(SimpleHTTPRequestHandler):
    """Serves files, and writes no log."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def served_index(folder: Path, wheels: Sequence[Path], certificate: Path | None = None) -> Iterator[str]:
    """Serve an index of wheels on loopback, over TLS where a certificate is given; yields its address."""
    for name in {wheel.name.split("-")[0] for wheel in wheels}:
        page = folder / "simple" / name / "index.html"
        page.parent.mkdir(parents=True)
        own = sorted(wheel.name for wheel in wheels if wheel.name.startswith(f"{name}-"))
        page.write_text("<!DOCTYPE html>" + "".join(f'<a href="../../{each}">{each}</a>' for each in own))
    for wheel in wheels:
        (folder / wheel.name).write_bytes(wheel.read_bytes())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"{'http' if certificate is None else 'https'}://127.0.0.1:{server.server_port}/simple"
        finally:
            server.shutdown()


def _record_hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
