"""Pointsman: a self-hosted task routing engine that speaks TaskRouter's REST API."""

__version__ = "0.1.0"
