"""Context views as a user names them."""

import numpy as np
import pytest

from scenetok_jax.inference.context_choice import (
  ContextChoice,
  chosen,
  tell_count,
)
from scenetok_jax.types import InputError


def test_a_list_of_frames_is_read_and_sorted():
  assert ContextChoice().asked is None
  assert ContextChoice("9,0,5").asked == (9, 0, 5)
  np.testing.assert_array_equal(chosen(10, (9, 0, 5)), [0, 5, 9])


@pytest.mark.parametrize(
  "text", ["", "0,", "0;5", "-1", "1.5", "\u0663", "9" * 9]
)
def test_what_is_no_list_is_refused(text):
  with pytest.raises(
    InputError, match=r"--context: .*no list of frame numbers"
  ):
    ContextChoice(text)


@pytest.mark.parametrize(
  "asked, problem",
  [
    ((0, 0), "listed twice"),
    ((10,), "frame 10: the clip has 10"),
    ((), "no frame"),
  ],
)
def test_frames_that_the_clip_has_not_are_refused(asked, problem):
  with pytest.raises(InputError, match=f"--context: .*{problem}"):
    chosen(10, asked)


def test_another_number_than_in_training_is_told(capsys):
  tell_count("room", 8, 8)
  assert not capsys.readouterr().err
  tell_count("room", 3, 8)
  assert "room: 3 context views; the model was trained with 8" in (
    capsys.readouterr().err
  )
