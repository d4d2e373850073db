"""One asyncio loop per workspace: inbox, batches, ownership, loading."""
