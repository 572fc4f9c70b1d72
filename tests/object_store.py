"""An S3-speaking server on this machine, which can be told to misbehave."""

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

BUCKET = "bucket"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}

Fault = str | None
"""``slow`` (503 SlowDown), ``error`` (500), ``reset`` (the connection breaks), None for none."""
Misbehave = Callable[[str, str], Fault]
"""From method and path of a request to what goes wrong with it."""


def _behave(_method: str, _path: str) -> Fault:
    return None


@dataclass
class ObjectStore:
    """The running server.

    Attributes:
        url: Of the server itself.
        misbehave: Asked before each request.
        ignores_conditions: Whether conditional writes are taken for plain ones.
        requests: Method and path of every request so far.
        asked_first: Paths of requests that waited to be told that they may send their content.
    """

    url: str = ""
    misbehave: Misbehave = _behave
    ignores_conditions: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    asked_first: list[str] = field(default_factory=list)

    @property
    def bucket(self) -> str:
        """URL of the bucket, as users give it."""
        return f"s3://{BUCKET}"

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Return all objects whose keys begin with a prefix, past whatever goes wrong."""
        client = self._client()
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key: client.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}

    def put(self, key: str, content: bytes) -> str:
        """Store an object and return its URL."""
        self._client().put_object(Bucket=BUCKET, Key=key, Body=content)
        return f"{self.bucket}/{key}"

    def fail_first(self, count: int, fault: str, *, method: str = "", within: str = "") -> None:
        """Let the first requests of a kind fail."""
        left = [count]

        def misbehave(asked: str, path: str) -> Fault:
            if not left[0] or (method and asked != method) or within not in path:
                return None
            left[0] -= 1
            return fault

        self.misbehave = misbehave

    def _client(self) -> Any:
        import boto3  # noqa: PLC0415

        return boto3.client(
            "s3",
            endpoint_url=self.url.replace("127.0.0.1", "localhost"),
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@dataclass
class _Faulty:
    """Stands between the web server and the store; requests to "localhost" are the tests' own."""

    store: ObjectStore
    application: Callable[..., Iterable[bytes]]

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if environ.get("HTTP_HOST", "").startswith("localhost"):
            return self.application(environ, start_response)
        self.store.requests.append((method, path))
        if "HTTP_EXPECT" in environ:
            self.store.asked_first.append(path)
        if self.store.ignores_conditions:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        fault = self.store.misbehave(method, path)
        if fault is None:
            return self.application(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if fault == "reset":
            environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        status, code = {
            "slow": ("503 Slow Down", "SlowDown"),
            "error": ("500 Internal Server Error", "InternalError"),
        }[fault]
        body = f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
        length = ("Content-Length", str(len(body)))
        start_response(status, [("Content-Type", "application/xml"), length])
        return [] if method == "HEAD" else [body]


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    """Run a store with one empty bucket in a thread of this process."""
    reason = "no S3 server here; pip install moto[server] s3fs"
    server_module = pytest.importorskip("moto.server", reason=reason)
    s3fs = pytest.importorskip("s3fs", reason=reason)
    from werkzeug.serving import make_server  # noqa: PLC0415

    store = ObjectStore()
    application = server_module.DomainDispatcherApplication(server_module.create_backend_app)
    server = make_server("127.0.0.1", 0, _Faulty(store, application), threaded=True)
    server.daemon_threads = True
    store.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        # What it holds belongs to the process, not to the server.
        reset = urllib.request.Request(f"{store.url}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()
        store._client().create_bucket(Bucket=BUCKET)
        s3fs.S3FileSystem.clear_instance_cache()
        yield store
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        server.shutdown()
        thread.join()
        server.server_close()
