"""The law: one file per rule, the evidence they judge, and the editions by date.

Imports nothing of the other three packages. Start with `rule.py` (the form of a rule), then any
rule, for example `size1_artifact.py`.
"""
