"""What tests of the library's face share."""

import jax
import pytest


@pytest.fixture
def compilations():
  """Seconds of every compilation since the test began."""
  found = []

  def listen(event, duration, **_):
    if event == "/jax/core/compile/backend_compile_duration":
      found.append(duration)

  jax.monitoring.register_event_duration_secs_listener(listen)
  yield found
  jax.monitoring.unregister_event_duration_listener(listen)
