"""A small server that speaks the hub's HTTP, as huggingface_hub asks it."""

import base64
import dataclasses
import hashlib
import json
import os
import re
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

import pytest

TOKEN = "hf_of_the_tests"


@dataclasses.dataclass
class Repo:
  """commits: files by name, by hash. refs: hashes by branch."""

  private: bool
  commits: dict[str, dict[str, bytes]]
  refs: dict[str, str]
  large: set[str] = dataclasses.field(default_factory=set)

  def commit(self, branch, files):
    """Adds files to a branch; the new commit's hash."""
    held = {**self.commits[self.refs[branch]], **files}
    # Never that of an earlier test: the library remembers its files.
    name = uuid.uuid4().hex + "0" * 8
    self.commits[name], self.refs[branch] = held, name
    return name

  def at(self, revision):
    """(hash, files) of a branch or a commit; None where there is neither."""
    name = self.refs.get(revision, revision)
    return (name, self.commits[name]) if name in self.commits else None


class HubServer:
  """repos: by OWNER/NAME. objects: large files by SHA-256. asked: its calls."""

  def __init__(self):
    self.repos, self.objects, self.asked = {}, {}, []
    self.port = 0
    self.start()

  @property
  def url(self):
    return f"http://127.0.0.1:{self.port}"

  def start(self):
    handler = type("Handler", (_Handler,), {"hub": self})
    self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
    self.port = self._server.server_address[1]
    threading.Thread(target=self._server.serve_forever, daemon=True).start()

  def stop(self):
    """Nobody listens: there is no network."""
    self._server.shutdown()
    self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
  hub: HubServer  # by HTTP/1.0: no connection outlives HubServer.stop

  def do_GET(self):
    self._serve()

  do_HEAD = do_POST = do_PUT = do_GET

  def _serve(self):
    path = unquote(urlsplit(self.path).path)
    body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
    if "chunked" in self.headers.get("Transfer-Encoding", ""):
      body = self._chunks()
    self.hub.asked.append((self.command, path))
    for method, pattern, serve in _ROUTES:
      match = re.fullmatch(pattern, path)
      if match and self.command in method:
        return serve(self, body, *match.groups())
    return self._error(404, "NotFound")

  def _chunks(self):
    parts = []
    while size := int(self.rfile.readline(), 16):
      parts.append(self.rfile.read(size))
      self.rfile.readline()
    self.rfile.readline()
    return b"".join(parts)

  def _send(self, data, status=200, **headers):
    if not isinstance(data, bytes):
      data = json.dumps(data).encode()
      headers.setdefault("Content-Type", "application/json")
    self.send_response(status)
    for name, value in headers.items():
      self.send_header(name.replace("_", "-"), value)
    self.send_header("Content-Length", str(len(data)))
    self.end_headers()
    if self.command != "HEAD":
      self.wfile.write(data)

  def _error(self, status, code):
    message = f"{code}: {self.path}"
    self._send(
      {"error": message}, status, X_Error_Code=code, X_Error_Message=message
    )

  def _may_write(self):
    return self.headers.get("Authorization") == f"Bearer {TOKEN}"

  def _repo(self, name):
    """A repository that this caller sees; None after the error was sent."""
    repo = self.hub.repos.get(name)
    if repo is None or (repo.private and not self._may_write()):
      self._error(404, "RepoNotFound")
      return None
    return repo

  def _files(self, name, revision):
    """(repository, hash, files); None after the error was sent."""
    if (repo := self._repo(name)) is None:
      return None
    if (found := repo.at(revision)) is None:
      self._error(404, "RevisionNotFound")
      return None
    return repo, *found

  def create(self, body):
    wanted = json.loads(body)
    if not self._may_write():
      return self._error(401, "Unauthorized")
    name = f"{wanted['organization']}/{wanted['name']}"
    url = {"url": f"{self.hub.url}/{name}"}
    if name in self.hub.repos:
      return self._send({**url, "error": "exists"}, 409)
    private = wanted.get("visibility") == "private"
    first = {"0" * 40: {".gitattributes": b"*.safetensors filter=lfs\n"}}
    self.hub.repos[name] = Repo(private, first, {"main": "0" * 40})
    return self._send(url)

  def branch(self, body, name, branch):
    if repo := self._repo(name):
      if branch in repo.refs:
        return self._send({"error": "exists"}, 409)
      repo.refs[branch] = repo.refs["main"]
      self._send({})

  def validate(self, body):
    good = json.loads(body)["content"].startswith("---\nlibrary_name:")
    errors = [] if good else [{"message": "no metadata"}]
    self._send({"errors": errors, "warnings": []}, 200 if good else 400)

  def preupload(self, body, name, revision):
    if self._files(name, revision):
      files = json.loads(body)["files"]
      large = (".safetensors", ".png", ".jpg")
      self._send(
        {
          "files": [
            {
              "path": file["path"],
              "uploadMode": "lfs"
              if file["path"].endswith(large)
              else "regular",
              "shouldIgnore": False,
            }
            for file in files
          ]
        }
      )

  def batch(self, body, name):
    def action(wanted):
      found = {"oid": wanted["oid"], "size": wanted["size"]}
      if wanted["oid"] not in self.hub.objects:
        href = f"{self.hub.url}/objects/{wanted['oid']}"
        found["actions"] = {"upload": {"href": href}}
      return found

    objects = [action(wanted) for wanted in json.loads(body)["objects"]]
    self._send({"transfer": "basic", "objects": objects})

  def put(self, body, oid):
    if hashlib.sha256(body).hexdigest() != oid:
      return self._error(400, "BadRequest")
    self.hub.objects[oid] = body
    return self._send({})

  def commit(self, body, name, branch):
    if not self._may_write():
      return self._error(403, "Forbidden")
    if (repo := self._repo(name)) is None:
      return None
    files = {}
    for line in map(json.loads, body.splitlines()):
      value = line["value"]
      if line["key"] == "file":
        files[value["path"]] = base64.b64decode(value["content"])
      elif line["key"] == "lfsFile":
        files[value["path"]] = self.hub.objects[value["oid"]]
        repo.large.add(value["path"])
    oid = repo.commit(branch, files)
    url = f"{self.hub.url}/{name}/commit/{oid}"
    return self._send({"success": True, "commitOid": oid, "commitUrl": url})

  def info(self, body, name, revision="main"):
    if found := self._files(name, revision):
      repo, oid, files = found
      siblings = [{"rfilename": file} for file in files]
      values = {"private": repo.private, "siblings": siblings}
      self._send({"id": name, "modelId": name, "sha": oid, **values})

  def tree(self, body, name, revision):
    if found := self._files(name, revision):
      repo, _, files = found
      self._send(
        [
          {
            "type": "file",
            "path": path,
            "size": len(data),
            "oid": _blob(data),
            **({"lfs": _lfs(data)} if path in repo.large else {}),
          }
          for path, data in files.items()
        ]
      )

  def resolve(self, body, name, revision, path):
    if found := self._files(name, revision):
      repo, oid, files = found
      if path not in files:
        return self._error(404, "EntryNotFound")
      data = files[path]
      large = path in repo.large
      etag = hashlib.sha256(data).hexdigest() if large else _blob(data)
      self._send(data, ETag=f'"{etag}"', X_Repo_Commit=oid)
    return None

  def log_message(self, *_):
    pass


def _blob(data):
  return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _lfs(data):
  size, oid = len(data), hashlib.sha256(data).hexdigest()
  return {"oid": oid, "size": size, "pointerSize": 130}


_NAME = r"([\w.-]+/[\w.-]+)"
_ROUTES = (
  ("POST", "/api/repos/create", _Handler.create),
  ("POST", "/api/validate-yaml", _Handler.validate),
  ("POST", f"/api/models/{_NAME}/branch/(.+)", _Handler.branch),
  ("POST", f"/api/models/{_NAME}/preupload/(.+)", _Handler.preupload),
  ("POST", f"/api/models/{_NAME}/commit/(.+)", _Handler.commit),
  ("POST", f"/{_NAME}\\.git/info/lfs/objects/batch", _Handler.batch),
  ("PUT", "/objects/([0-9a-f]{64})", _Handler.put),
  ("GET", f"/api/models/{_NAME}", _Handler.info),
  ("GET", f"/api/models/{_NAME}/revision/(.+)", _Handler.info),
  ("GET", f"/api/models/{_NAME}/tree/([^/]+)", _Handler.tree),
  ("GET HEAD", f"/{_NAME}/resolve/([^/]+)/(.+)", _Handler.resolve),
)


@pytest.fixture(scope="session")
def _hub_server(tmp_path_factory):
  """Started before huggingface_hub is imported, which reads these once."""
  assert "huggingface_hub" not in sys.modules, "a test before used the hub"
  server = HubServer()
  home = tmp_path_factory.mktemp("hub")
  for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_TOKEN_PATH"):
    os.environ.pop(name, None)
  os.environ |= {
    "HF_ENDPOINT": server.url,
    "HF_HOME": str(home),
    # Large files go by the LFS protocol, not to a service of Xet's.
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
  }
  pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
  yield server
  server.stop()


@pytest.fixture
def hub_server(_hub_server, monkeypatch):
  """An empty hub, to which this process has logged in."""
  monkeypatch.setenv("HF_TOKEN", TOKEN)
  _hub_server.repos.clear()
  _hub_server.objects.clear()
  _hub_server.asked.clear()
  return _hub_server
