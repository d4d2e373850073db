"""The worker desk: a page on which a person works, and how that person signs in."""
