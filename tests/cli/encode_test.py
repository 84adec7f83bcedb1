"""`scenetok encode`: what it refuses, in one line and with exit code 2."""

import pytest

from scenetok_jax.cli import common, encode


@pytest.mark.parametrize(
  ("options", "message"),
  [
    ((), "--scene, --capture: give one of the two"),
    (("--scene=0", "--capture=x"), "--scene, --capture: give one of the two"),
    (("--scene=0", "--storage=int4"), "invalid choice: 'int4'"),
  ],
)
def test_bad_usage(tmp_path, capsys, options, message):
  code = common.run(
    encode.main, ["--workdir=x", f"--out={tmp_path / 'a.tok'}", *options]
  )
  error = capsys.readouterr().err
  assert code == 2 and message in error
  assert error.count("\n") == 1


def test_a_folder_is_no_file_name(tmp_path, capsys):
  code = common.run(
    encode.main, ["--workdir=x", "--scene=0", f"--out={tmp_path}"]
  )
  assert code == 2
  assert "--out: a folder; give a file name" in capsys.readouterr().err
