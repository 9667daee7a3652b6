"""What the rules' examples are made of, all of our own writing.

`records.py` varies a small complete record folder (README, submission.json, logs). `programs.py` and
`scripts.py` are whole small trainers around the few lines an example is about; in the first an
example brings its own `evaluate`, in the second it uses the shared model and `nll`.
"""
