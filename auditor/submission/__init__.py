"""Finding the submission: which files, at which commit, in which record folder."""
