"""Engines behind one protocol: each continues a conversation with pictures, event by event."""
