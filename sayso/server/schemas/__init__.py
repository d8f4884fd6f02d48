"""What clients may send and what they get back, as pydantic models. An unknown field is refused, never ignored."""
