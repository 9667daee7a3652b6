"""Shared set-up of the tests."""

import os

from hypothesis import settings

os.environ.setdefault("SCOREFIRST_RUN", "0")  # audits only read, unless a test says otherwise

# Timings on a busy machine prove nothing; a test that is too slow shows in --durations.
settings.register_profile("scorefirst", deadline=None)
settings.load_profile("scorefirst")
