"""Telling the world what was committed: assignment callbacks and event callbacks."""
