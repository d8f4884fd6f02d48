"""Conversations that last, and the one door through which a picture leaves."""
