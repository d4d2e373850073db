"""`pointsman bench`: load over HTTP as applications and workers make it, measured and audited.

`run.py` is a whole benchmark, `phases.py` one phase; `generator.py` runs in processes of its own.
"""
