"""Shared set-up of the tests."""

from hypothesis import settings

# Timings on a busy machine prove nothing; a test that is too slow shows in --durations.
settings.register_profile("scorefirst", deadline=None)
settings.load_profile("scorefirst")
