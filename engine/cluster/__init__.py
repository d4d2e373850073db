"""Several nodes on one database: who owns what, and requests that go to the owner."""
