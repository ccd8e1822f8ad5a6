"""A copy of results to pass on: without what names people or places, and searched for it."""
