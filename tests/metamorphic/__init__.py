"""Rewritings of our own example submissions: those that keep the meaning, and those that change legality."""
