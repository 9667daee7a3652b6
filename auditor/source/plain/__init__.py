"""Roundabout spellings written out, before the walk reads the tree."""
