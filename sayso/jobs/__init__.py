"""Accepted work: a durable queue, its events, workers that lease from it, and the engines they keep in memory."""
