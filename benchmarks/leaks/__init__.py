"""Leaks of known kinds, planted in honest programs of our own: what the tracer makes of them."""
