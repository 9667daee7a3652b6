"""The investigation: loads a submission, gathers evidence, asks every rule, reports.

`auditor.api` is what the command line, the gate, the sweep and the tests all call.
"""
