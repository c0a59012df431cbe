"""A small server on loopback that speaks those routes of the Hugging Face Hub that are used here.

It also gives raw files at a commit, as GitHub does.

Pulls read a repository, judges one with a model, which they are also published to; submissions open
a pull request on one; boards are read from one, with its pull requests, and commented on.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
"""The commit of the one repository that `main` is."""

_INFO = re.compile(r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)(?:/revision/(?P<revision>.+))?")
_PATHS = re.compile(r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)/paths-info/(?P<revision>.+)")
_TREE = re.compile(
    r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)/tree/(?P<revision>[^/]+)(?P<folder>(?:/.+)?)"
)
_PREUPLOAD = re.compile(
    r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)/preupload/(?P<revision>[^/]+)"
)
_COMMIT = re.compile(r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)/commit/(?P<revision>[^/]+)")
_BATCH = re.compile(r"(?:/datasets)?/(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch")
_RESOLVE = re.compile(
    r"(?:/datasets)?/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)"
)

_COMMITS = re.compile(r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)/commits/(?P<revision>.+)")
_COMMENT = re.compile(
    r"/api/(?:datasets|models)/(?P<repo>[^/]+/[^/]+)/discussions/(?P<number>\d+)/comment"
)
_RAW = re.compile(r"/(?P<repo>[^/]+/[^/]+)/(?P<revision>[0-9a-f]{40})/(?P<path>.+)")


@dataclass(frozen=True)
class Commit:
    """A commit that was asked for: its summary, whether as a pull request, and its files.

    `pointers` are the SHA-256 and the size of those that are in large file storage.
    """

    summary: str
    create_pr: bool
    files: Mapping[str, bytes]
    pointers: Mapping[str, tuple[str, int]]
    deleted: tuple[str, ...] = ()


@dataclass
class Hub:
    """The server's files, its faults, and the requests that it received.

    `refuse` is what it answers API requests with (status, headers); `gated` refuses files only.
    The first response of the file `break_path` ends after `break_after` bytes, with `reset` as
    when the server's machine goes down; with `drip`, files come byte by byte.

    With `lfs`, Parquet files and weights belong into large file storage (`stored`, by SHA-256), in
    parts of `part_bytes` if that is not 0. `refuse_batch` is what asking for it is answered with;
    the first `bad_puts` files or parts get the status `bad_put`, or (0) an end after half of them.

    `revisions` are commit and files of revisions beside `main`, such as `refs/pr/3`, `history` the
    commits of each, the newest first. `comments` are those received, with their discussion. A
    commit that has the file `refuse_file` is refused.
    """

    repository: str
    files: Mapping[str, bytes]
    refuse: tuple[int, dict[str, str]] | None = None
    gated: bool = False
    gone: frozenset[str] = frozenset()
    wrong_sha256: bool = False
    break_path: str = ""
    break_after: int = 0
    reset: bool = False
    drip: bool = False
    lfs: bool = False
    part_bytes: int = 0
    refuse_batch: int = 0
    bad_put: int = 0
    bad_puts: int = 0
    stored: dict[str, bytes] = field(default_factory=dict)
    revisions: Mapping[str, tuple[str, Mapping[str, bytes]]] = field(default_factory=dict)
    history: Mapping[str, list[str]] = field(default_factory=dict)
    comments: list[tuple[int, str]] = field(default_factory=list)
    refuse_file: str = ""
    url: str = ""
    dripped: threading.Event = field(default_factory=threading.Event)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    created: list[dict[str, Any]] = field(default_factory=list)

    def at(self, revision: str | None) -> tuple[str, Mapping[str, bytes]] | None:
        """Return commit and files of a branch, or of a commit; None if it is not known."""
        known = {"main": (COMMIT, self.files), **self.revisions}
        by_commit = {commit: (commit, files) for commit, files in known.values()}
        return {**by_commit, **known}.get(revision or "main")

    def ranges(self) -> list[str]:
        """Return the requested ranges, in order."""
        return [headers["range"] for _, _, headers in self.requests if "range" in headers]

    def downloads(self) -> list[str]:
        """Return the paths of the files whose content was requested, in order."""
        asked = [path for method, path, _ in self.requests if method == "GET"]
        found = [_RESOLVE.fullmatch(path) or _RAW.fullmatch(path) for path in asked]
        return [match["path"] for match in found if match]


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Serve until the block is left."""

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"
    timeout = 10

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.note(path)
        match = _PREUPLOAD.fullmatch(path) or _COMMIT.fullmatch(path) or _BATCH.fullmatch(path)
        match = match or _PATHS.fullmatch(path) or _COMMENT.fullmatch(path)
        if self.hub.refuse is not None:
            self.fail(*self.hub.refuse)
        elif path == "/api/validate-yaml":
            self.give(json.dumps({"errors": [], "warnings": []}))
        elif path == "/api/repos/create":
            self.create(json.loads(body))
        elif path.startswith("/joined/"):
            self.join_parts(json.loads(body))
        elif match is None or match["repo"] != self.hub.repository:
            self.fail(404, {"X-Error-Code": "RepoNotFound"})
        elif match.re is _COMMENT:
            self.take_comment(int(match["number"]), json.loads(body)["comment"])
        elif match.re is _PATHS:
            known = self.hub.files.keys() & json.loads(body)["paths"]
            self.give(json.dumps([self.described(each, "path") for each in sorted(known)]))
        elif match.re is _PREUPLOAD:
            asked = [each["path"] for each in json.loads(body)["files"]]
            self.give(json.dumps({"files": [self.mode(path) for path in asked]}))
        elif match.re is _BATCH:
            self.take_batch(json.loads(body)["objects"])
        else:
            prefix = "datasets/" if path.startswith("/api/datasets/") else ""
            self.take_commit(body, prefix, create_pr="create_pr=1" in url.query)

    def take_comment(self, number: int, text: str) -> None:
        self.hub.comments.append((number, text))
        made = {"id": "c1", "type": "comment", "createdAt": "2026-01-31T00:00:00.000Z"}
        data = {"latest": {"raw": text, "html": "", "updatedAt": made["createdAt"]}}
        data |= {"edited": False, "hidden": False, "numEdits": 0}  # type: ignore[dict-item]
        self.give(json.dumps({"newMessage": made | {"author": {"name": "a"}, "data": data}}))

    def create(self, asked: dict[str, Any]) -> None:
        """Make the one repository, which is there for all others to see."""
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else ""
        self.hub.created.append(asked)
        if name != self.hub.repository:
            self.fail(403, {})
        else:
            self.give(json.dumps({"url": f"{self.hub.url}/{name}"}))

    def note(self, path: str) -> None:
        headers = {name.casefold(): value for name, value in self.headers.items()}
        self.hub.requests.append((self.command, path, headers))

    def mode(self, path: str) -> dict[str, Any]:
        kind = "lfs" if self.hub.lfs and path.endswith((".parquet", ".safetensors")) else "regular"
        return {"path": path, "uploadMode": kind, "shouldIgnore": False, "oid": None}

    def take_batch(self, objects: list[dict[str, Any]]) -> None:
        """Say where each file goes; nothing for those that are there."""
        if self.hub.refuse_batch:
            self.fail(self.hub.refuse_batch, {})
            return
        answers = []
        for each in objects:
            answer, oid = dict(each), each["oid"]
            if oid not in self.hub.stored:
                upload: dict[str, Any] = {"href": f"{self.hub.url}/put/{oid}"}
                if self.hub.part_bytes:
                    count = -(-each["size"] // self.hub.part_bytes)
                    parts = {f"{n + 1:05}": f"{self.hub.url}/put/{oid}/{n}" for n in range(count)}
                    upload["header"] = {"chunk_size": str(self.hub.part_bytes), **parts}
                    upload["href"] = f"{self.hub.url}/joined/{oid}"
                answer["actions"] = {"upload": upload}
            answers.append(answer)
        self.give(json.dumps({"transfer": "basic", "objects": answers}))

    def do_PUT(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.note(path)
        size = int(self.headers["Content-Length"])
        if self.hub.bad_puts:
            self.hub.bad_puts -= 1
            if self.hub.bad_put:
                self.rfile.read(size)
                self.fail(self.hub.bad_put, {})
            else:
                self.rfile.read(size // 2)
                self.close_connection = True
            return
        content = self.rfile.read(size)
        self.hub.stored[path.removeprefix("/put/")] = content
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def join_parts(self, asked: dict[str, Any]) -> None:
        """Make one file of the parts that were stored, which must be those that are named."""
        oid = asked["oid"]
        parts = [self.hub.stored.pop(f"{oid}/{each['partNumber'] - 1}") for each in asked["parts"]]
        for part, each in zip(parts, asked["parts"], strict=True):
            assert each["etag"] == f'"{hashlib.md5(part).hexdigest()}"'
        self.hub.stored[oid] = b"".join(parts)
        self.give("{}")

    def take_commit(self, body: bytes, prefix: str, *, create_pr: bool) -> None:
        header, *rest = [json.loads(line) for line in body.splitlines()]
        values = [each["value"] for each in rest if each["key"] == "file"]
        large = [each["value"] for each in rest if each["key"] == "lfsFile"]
        if self.hub.refuse_file in [each["path"] for each in values]:
            self.fail(400, {"X-Error-Message": f"Invalid {self.hub.refuse_file}"})
            return
        files = {each["path"]: base64.b64decode(each["content"]) for each in values}
        pointers = {each["path"]: (each["oid"], each["size"]) for each in large}
        deleted = tuple(each["value"]["path"] for each in rest if each["key"] == "deletedFile")
        summary = header["value"]["summary"]
        self.hub.commits.append(Commit(summary, create_pr, files, pointers, deleted))
        page = f"{self.hub.url}/{prefix}{self.hub.repository}"
        done = {"commitUrl": f"{page}/commit/{COMMIT}", "commitOid": COMMIT, "success": True}
        if create_pr:
            done["pullRequestUrl"] = f"{page}/discussions/1"
        self.give(json.dumps(done))

    def log_message(self, format: str, *args: object) -> None:
        pass

    def answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.note(path)
        if match := _COMMITS.fullmatch(path):
            self.answer_history(match)
        elif match := _TREE.fullmatch(path) or _INFO.fullmatch(path):
            self.answer_api(match, tree=match.re is _TREE)
        elif match := _RESOLVE.fullmatch(path):
            self.answer_file(match)
        elif match := _RAW.fullmatch(path):
            if self.hub.refuse is not None:
                self.fail(*self.hub.refuse)
            else:
                self.answer_file(match)
        else:
            self.fail(404, {})

    def answer_history(self, match: re.Match[str]) -> None:
        found = self.hub.at(match["revision"])
        if self.hub.refuse is not None or found is None:
            self.fail(*(self.hub.refuse or (404, {"X-Error-Code": "RevisionNotFound"})))
            return
        commits = self.hub.history.get(match["revision"], [found[0]])
        about = {"authors": [], "date": "2026-01-31T00:00:00.000Z", "title": "", "message": ""}
        self.give(json.dumps([{"id": each, **about} for each in commits]))

    def answer_api(self, match: re.Match[str], *, tree: bool) -> None:
        if self.hub.refuse is not None:
            self.fail(*self.hub.refuse)
            return
        if match["repo"] != self.hub.repository:
            self.fail(404, {"X-Error-Code": "RepoNotFound"})
            return
        state = self.hub.at(match["revision"])
        if state is None:
            self.fail(404, {"X-Error-Code": "RevisionNotFound"})
            return
        commit, files = state
        if tree:
            folder = f"{match['folder']}/".lstrip("/")
            found = [path for path in files if path.startswith(folder)]
            if found or not folder:
                self.give(json.dumps([self.described(path, "path", files) for path in found]))
            else:
                self.fail(404, {"X-Error-Code": "EntryNotFound"})
        else:
            siblings = [self.described(path, "rfilename", files) for path in files]
            about = {"id": self.hub.repository, "sha": commit, "siblings": siblings}
            self.give(json.dumps(about))

    def described(
        self, path: str, key: str, files: Mapping[str, bytes] | None = None
    ) -> dict[str, Any]:
        content = (self.hub.files if files is None else files)[path]
        digest = hashlib.sha256(b"?" if self.hub.wrong_sha256 else content).hexdigest()
        return {
            "type": "file",
            key: path,
            "size": len(content),
            "oid": hashlib.sha1(content).hexdigest(),
            "blobId": hashlib.sha1(content).hexdigest(),
            "lfs": {"oid": digest, "sha256": digest, "size": len(content), "pointerSize": 130},
        }

    def answer_file(self, match: re.Match[str]) -> None:
        path = match["path"]
        if self.hub.gated:
            self.fail(401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"})
            return
        commit, files = self.hub.at(match["revision"]) or (COMMIT, self.hub.files)
        if path not in files or path in self.hub.gone:
            self.fail(404, {"X-Error-Code": "EntryNotFound"})
            return
        content = files[path]
        start, whole = 0, len(content)
        if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start = int(asked[1])
            content = content[: int(asked[2]) + 1] if asked[2] else content
        if start >= len(content) > 0:
            self.fail(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        is_part = start > 0 or len(content) < whole
        self.send_response(206 if is_part else 200)
        if is_part:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{whole}")
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", commit)
        self.end_headers()
        if self.command == "HEAD":
            return
        if path == self.hub.break_path:
            self.hub.break_path = ""
            self.wfile.write(content[start : start + self.hub.break_after])
            if self.hub.reset:
                now = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                self.connection.close()
            self.close_connection = True
        elif self.hub.drip:
            with suppress(OSError):  # the client has gone
                for index in range(min(len(content), 400)):
                    self.wfile.write(content[index : index + 1])
                    self.hub.dripped.set()
                    time.sleep(0.05)
            self.close_connection = True
        else:
            self.wfile.write(content[start:])

    def give(self, text: str) -> None:
        body = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fail(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()
