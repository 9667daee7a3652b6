"""`scorefirst reproduce`: run a submission's own script again, sealed off, and set what comes out against the claim.

- claim.py    the script, the claimed figures by seed, the claimed run's settings
- machine.py  which GPUs, driver and libraries are here
- plan.py     one run: files, environment, mounts, the command line
- seed.py     one seed in the sandbox: its own folder, its logs, what it left
- state.py    the state folder: finished seeds are not run again
- small.py    the CPU run with stand-ins: does it run at all, to which numbers
- figures.py  what is compared, read from a log
- compare.py  claim against re-run: each difference explained or flagged
- report.py   terminal, JSON, Markdown
- whole.py    from a target to the report
"""
