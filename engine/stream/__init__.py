"""The event stream: everybody who follows a workspace's log, told from what is committed."""
