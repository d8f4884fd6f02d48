"""sayso: a self-hosted picture maker you talk to."""

__version__ = "0.1.0"
