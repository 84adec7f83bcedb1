"""The fields that docs/from_pytorch.md points at are there."""

import re

import pytest

from scenetok_jax.workdir.config import load_config
from scenetok_jax.workdir.released import RELEASED
from tests.docs.commands import ROOT

_PAGE = (ROOT / "docs" / "from_pytorch.md").read_text()
_SECTIONS = (
  *("tokenizer", "decoder", "generator", "generation", "flow", "sampling"),
  *("data", "optimizer", "train"),
)


def _fields():
  rows = re.findall(r"^\|[^|]*\|([^|]*)\|$", _PAGE, re.M)
  named = re.findall(rf"`((?:{'|'.join(_SECTIONS)})\.[a-z_.]+)`", "".join(rows))
  return sorted(set(named))


@pytest.fixture(scope="module")
def config():
  found = load_config("configs/scenetok_re10k.py").to_dict()
  return load_config("configs/scenegen_re10k.py").to_dict() | {
    "train": found["train"]
  }


def test_there_are_many_fields():
  assert len(_fields()) > 50


@pytest.mark.parametrize("field", _fields())
def test_a_field_is_there(config, field):
  value = config
  for name in field.split("."):
    assert name in value
    value = value[name]


def test_the_checkpoints_of_the_commands_are_released_ones():
  named = re.findall(r"([a-z0-9-]+_[a-z0-9_]+)\.ckpt", _PAGE)
  assert named and set(named) <= set(RELEASED)
