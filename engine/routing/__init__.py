"""The routing core: commands in, effects out. Pure: no clock, no randomness, no I/O, no logging."""
