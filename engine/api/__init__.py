"""The aiohttp front: TaskRouter's REST API v1."""
