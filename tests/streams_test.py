"""Commands whose streams are closed, full, or read no more end quietly."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys
from scenetok_jax import streams
def call():
  text = sys.argv[1]
  for _ in range(20000 if text == "long" else 1):
    print(text)
  return int(sys.argv[2])
sys.exit(streams.guarded(call))
"""


def run(redirections, text="short", code=0, **environment):
  """Of a shell: status of the program, what it printed on both streams."""
  words = [sys.executable, "-c", PROGRAM, text, str(code)]
  line = f'"$@" {redirections}; exit ${{PIPESTATUS[0]}}'
  done = subprocess.run(
    ["bash", "-c", line, "bash", *words],
    capture_output=True, env={**os.environ, **environment}, timeout=60,
  )  # fmt: skip
  return done.returncode, done.stdout, done.stderr


def test_streams_that_work_change_nothing():
  assert run("") == (0, b"short\n", b"")
  assert run("", code=3) == (3, b"short\n", b"")


def test_a_reader_that_left_ends_the_command_without_a_word():
  assert run("| head -n 1", "long") == (141, b"long\n", b"")


@pytest.mark.parametrize("text", ["short", "long"])
def test_an_output_that_is_full_is_one_line(text):
  status, _, errors = run("> /dev/full", text)
  assert status == 2 and errors.count(b"\n") == 1
  assert b"standard output: cannot be written (No space left" in errors


def test_a_full_output_is_no_fault_of_a_folder(tmp_path):
  program = """
import sys
from scenetok_jax import outputs, streams
def call():
  with outputs.opened(sys.argv[1]):
    print("text", flush=True)
sys.exit(streams.guarded(call))
"""
  line = '"$@" > /dev/full'
  words = [sys.executable, "-c", program, str(tmp_path / "out")]
  done = subprocess.run(
    ["bash", "-c", line, "bash", *words], capture_output=True, timeout=120
  )
  assert done.returncode == 2 and done.stderr.count(b"\n") == 1
  assert b"standard output: cannot be written" in done.stderr
  assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_swallow_the_text(closed):
  status, _, errors = run(closed)
  assert (status, errors) == (0, b"")


def test_a_file_never_gets_the_descriptor_of_a_closed_stream(tmp_path):
  program = """
import os, sys
from scenetok_jax import streams
def call():
  with open(sys.argv[1], "w") as file:
    os.write(2, b"noise of a library")
    assert file.fileno() > 2
streams.guarded(call)
"""
  words = [sys.executable, "-c", program, str(tmp_path / "data")]
  subprocess.run(
    ["bash", "-c", '"$@" <&- >&- 2>&-', "bash", *words], check=True, timeout=60
  )
  assert (tmp_path / "data").read_bytes() == b""


def test_names_that_the_locale_lacks_are_escaped():
  plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
  status, printed, errors = run("", "zimmer-\u00fc", PYTHONIOENCODING="ascii")
  assert (status, printed, errors) == (0, b"zimmer-\\xfc\n", b"")
  status, _, errors = run("", "zimmer-\u00fc", **plain)
  assert (status, errors) == (0, b"")


@pytest.mark.parametrize("words", [["--help"], ["train", "--help"]])
def test_help_can_be_cut_off(words):
  done = subprocess.run(
    ["bash", "-c", '"$@" | true; exit ${PIPESTATUS[0]}', "bash",
     sys.executable, "-m", "scenetok_jax.cli.main", *words],
    capture_output=True, timeout=120,
  )  # fmt: skip
  assert done.returncode in (0, 141) and done.stderr == b""
