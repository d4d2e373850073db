"""Makes the shared fixtures (PostgreSQL, daemons) known to every test."""

pytest_plugins = ["tests.support.fixtures"]
