"""Pictures to tokens and back."""
