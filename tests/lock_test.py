"""What is installed is locked, by hash, within the ranges of setup.cfg."""

import configparser
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

_ROOT = Path(__file__).parents[1]
_ENTRY = re.compile(r"^([\w.-]+)==(\S+)( ; [^\\]+)? \\$", re.MULTILINE)


def locked(file):
  text = (_ROOT / file).read_text()
  found = {}
  for name, version, _ in _ENTRY.findall(text):
    found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), []).append(version)
  return found


def requirements(extra=None):
  setup = configparser.ConfigParser()
  setup.read(_ROOT / "setup.cfg")
  text = setup["options"]["install_requires"]
  if extra:
    text += "\n" + setup["options.extras_require"][extra]
  lines = (line.partition("#")[0].strip() for line in text.splitlines())
  return [Requirement(line) for line in lines if line]


@pytest.mark.parametrize(
  ("file", "extras"),
  [
    ("requirements.lock", ["dev"]),
    ("launch/requirements-tpu.lock", ["tpu", "gcs"]),
    ("launch/requirements-gpu.lock", ["gpu", "gcs"]),
  ],
)
def test_every_requirement_is_locked_within_its_range(file, extras):
  versions = locked(file)
  for extra in extras:
    for wanted in requirements(extra):
      found = versions.get(re.sub(r"[-_.]+", "-", wanted.name).lower())
      assert found, f"{file}: {wanted} is missing; run make lock"
      for version in found:
        assert wanted.specifier.contains(version), (
          f"{file}: {wanted.name} {version} is not {wanted}; run make lock"
        )


def test_the_image_is_built_from_locks_that_exist():
  text = (_ROOT / "launch" / "Dockerfile").read_text()
  names = set(re.findall(r"requirements-\w+\.lock", text))
  assert names == {"requirements-tpu.lock", "requirements-gpu.lock"}
  assert all((_ROOT / "launch" / name).is_file() for name in names)
  assert "--require-hashes" in text and "\nUSER scenetok" in text
