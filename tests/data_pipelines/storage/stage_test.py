"""Staged folders are whole, equal to their source, or not there."""

import os
import shutil
import subprocess
import sys
import threading

import pytest
from etils import epath

from data_pipelines.storage import builders
from data_pipelines.storage import stage as module
from data_pipelines.storage.records import Dataset
from data_pipelines.storage.stage import stage
from scenetok_jax import console
from scenetok_jax.cli import stage as verb
from scenetok_jax.types import InputError
from tests.data_pipelines import clips


def contents(folder):
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob("*")
    if path.is_file()
  }


@pytest.fixture
def data(tmp_path):
  """Prepared data, and what else may lie in a folder."""
  folder = tmp_path / "data"
  builders.build(folder, clips.plan(scenes=2, frames=8, size=32))
  (folder / "empty").write_bytes(b"")
  return folder


def upload(folder, url):
  for name, content in contents(folder).items():
    (epath.Path(url) / name).write_bytes(content)


def test_a_bucket_becomes_a_folder_that_loads(tmp_path, data, bucket, capsys):
  url = f"{bucket}/staged/data"
  upload(data, url)
  to = tmp_path / "local"
  arguments = [f"--data={url}", f"--to={to}"]
  assert console.run(verb.main, arguments, "stage") == 0
  assert contents(to) == contents(data)
  assert f"copied {len(contents(data))} files" in capsys.readouterr().out
  assert Dataset(to, "train").frames == Dataset(data, "train").frames > 0
  # The same command again copies nothing.
  assert console.run(verb.main, arguments, "stage") == 0
  assert "all were there" in capsys.readouterr().out
  assert not (tmp_path / "local.partial").exists()


def test_a_killed_copy_goes_on_with_what_is_missing(
  tmp_path, data, monkeypatch
):
  to, copied, copy = tmp_path / "local", [], module._Source.copy
  names = sorted(contents(data))

  def dies(self, name, folder):
    if name == names[-1]:
      # What a kill leaves: half a file under another name.
      (folder / (name + ".part")).parent.mkdir(parents=True, exist_ok=True)
      (folder / (name + ".part")).write_bytes(b"half")
      raise KeyboardInterrupt
    copy(self, name, folder)

  with monkeypatch.context() as killed:
    killed.setattr(module._Source, "copy", dies)
    with pytest.raises(KeyboardInterrupt):
      stage(str(data), to, 1)
  assert not to.exists()

  def counts(self, name, folder):
    copied.append(name)
    copy(self, name, folder)

  monkeypatch.setattr(module._Source, "copy", counts)
  stage(str(data), to, 1)
  assert names[-1] in copied and len(copied) < len(names)
  assert contents(to) == contents(data)


def test_a_file_of_another_size_is_refused(tmp_path, data, monkeypatch):
  start = module._Source.__init__

  def grows(self, source):
    start(self, source)
    self.sizes["empty"] += 1

  monkeypatch.setattr(module._Source, "__init__", grows)
  with pytest.raises(InputError, match="empty: 0 bytes arrived of 1"):
    stage(str(data), tmp_path / "local")
  assert not (tmp_path / "local").exists()


def test_files_are_copied_at_the_same_time(tmp_path, data, monkeypatch):
  together, copy = threading.Barrier(3, timeout=20), module._Source.copy

  def waits(self, name, folder):
    if name in sorted(contents(data))[:3]:
      together.wait()
    copy(self, name, folder)

  monkeypatch.setattr(module._Source, "copy", waits)
  seen = []
  stage(str(data), tmp_path / "to", 3, lambda done, total: seen.append(done))
  assert len(seen) == len(contents(data)) and seen == sorted(seen)


def test_what_cannot_be_staged_is_one_line(tmp_path, data, bucket):
  to = tmp_path / "local"
  (tmp_path / "full").mkdir()
  (tmp_path / "full" / "mine").write_text("mine")
  for source, target, part in (
    (f"{bucket}/nothing", to, "no files there"),
    ("gs://no-such-bucket/x", to, "no-such-bucket/x"),
    ("ftp://host/x", to, "give a folder, gs://BUCKET/... or s3://"),
    ("gs://", to, "give a folder, gs://BUCKET/... or s3://"),
    (str(tmp_path / "none"), to, "no files there"),
    (str(data), tmp_path / "full", "exists and holds something else"),
  ):
    with pytest.raises(InputError) as told:
      stage(source, target)
    assert part in str(told.value) and "\n" not in str(told.value)
  assert (tmp_path / "full" / "mine").read_text() == "mine"
  assert not any(name.startswith("local") for name in os.listdir(tmp_path))


def test_names_that_are_not_utf8_are_staged(tmp_path, data):
  """In the POSIX locale too: what is copied is noted by its bytes."""
  source = os.fsencode(tmp_path) + b"/caf\xe9-\xfc"
  shutil.copytree(os.fsencode(data), source)
  locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
  verb = [sys.executable, "-m", "scenetok_jax.cli.main", "stage"]
  note = tmp_path / "to.partial/.source"
  note.parent.mkdir()
  for noted, code in ((source + b"2", 2), (source, 0)):
    note.write_bytes(noted)  # of a run that was killed
    done = subprocess.run(
      [*verb, b"--data=" + source, f"--to={tmp_path / 'to'}"],
      env={**os.environ, **locale},
      capture_output=True,
    )
    assert done.returncode == code and b"Traceback" not in done.stderr
  assert contents(tmp_path / "to") == contents(data)


def test_a_folder_of_s3_is_staged(tmp_path, data, monkeypatch):
  """Needs `pip install s3fs 'moto[s3]' flask flask-cors`."""
  pytest.importorskip("s3fs")
  server = pytest.importorskip("moto.server")
  boto3 = pytest.importorskip("boto3")
  emulator = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
  emulator.start()
  host, port = emulator.get_host_and_port()
  for name, value in {
    "AWS_ENDPOINT_URL": f"http://{host}:{port}",
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
  }.items():
    monkeypatch.setenv(name, value)
  try:
    store = boto3.client("s3")
    store.create_bucket(Bucket="bucket")
    for name, content in contents(data).items():
      store.put_object(Bucket="bucket", Key=f"data/{name}", Body=content)
    # Neighbours of the name, and what stands for a folder.
    for name in ("data2/other", "data/train/"):
      store.put_object(Bucket="bucket", Key=name, Body=b"")
    stage("s3://bucket/data", tmp_path / "local")
    assert contents(tmp_path / "local") == contents(data)
    with pytest.raises(InputError, match="cannot be read"):
      stage("s3://no-such-bucket/data", tmp_path / "none")
  finally:
    emulator.stop()
