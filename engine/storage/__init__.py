"""Postgres: fenced commits, row mapping, committed reads, migrations, the embedded server."""
