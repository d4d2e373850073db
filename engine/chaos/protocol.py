"""What is said between a node and the launcher of its daemons: a byte there, lines back."""

START = b"s"
"""Start a daemon."""
STARTED = "started"
"""Is followed by its process id."""
ENDED = "ended"
"""Is followed by its exit code; a signal is a negative one."""
