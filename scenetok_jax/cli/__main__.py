"""`python -m scenetok_jax.cli VERB ...`."""

import sys

from scenetok_jax.cli.main import main

sys.exit(main())
