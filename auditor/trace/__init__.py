"""Trace evidence: a submission is run, unmodified, in a sealed place, and the books of that run are kept."""
