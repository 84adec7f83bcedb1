"""scenetok view: what it refuses before it serves, and how it ends."""

import importlib.util
import threading

import pytest

from scenetok_jax.cli import main, view
from tests.cli import workdirs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
  return workdirs.stage1(tmp_path_factory.mktemp("view") / "stage1")


@pytest.mark.parametrize(
  ("flags", "told"),
  [
    ("--workdir=W --capture=A --scenes a.tok", "give one source of scenes"),
    ("--workdir=W --photos", "--photos: new scenes need a stage-2"),
    ("--workdir=W --data=missing", "missing"),
    ("--workdir=missing", "missing"),
    ("--workdir=W --port=65536", "65535"),
    ("", "--workdir"),
  ],
)
def test_bad_usage_is_one_line(flags, told, folder, capsys):
  assert main.main(["view", *flags.replace("W", str(folder)).split()]) == 2
  lines = capsys.readouterr().err.splitlines()
  assert told in lines[-1] and "scenetok view: error: " in lines[-1]
  assert sum("error" in line for line in lines) == 1


def test_without_viser_the_extra_is_named(folder, monkeypatch, capsys):
  find = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util,
    "find_spec",
    lambda name, *rest: None if name == "viser" else find(name, *rest),
  )
  assert main.main(["view", f"--workdir={folder}", "--photos"]) == 2
  assert "pip install 'scenetok_jax[viewer]'" in capsys.readouterr().err


def test_it_serves_until_it_is_interrupted(folder, monkeypatch, capsys):
  closed = []

  class Viewer:
    url = "http://127.0.0.1:1"

    def close(self):
      closed.append(True)

  class Interrupted:
    def wait(self):
      raise KeyboardInterrupt

  monkeypatch.setattr(view, "start", lambda *given: Viewer())
  monkeypatch.setattr(threading, "Event", Interrupted)
  assert main.main(["view", f"--workdir={folder}"]) == 0
  assert capsys.readouterr().out.startswith("http://127.0.0.1:1 ")
  assert closed == [True]
