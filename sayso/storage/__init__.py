"""What lasts: rows in SQLite or PostgreSQL, pictures by their hash on disk or in S3, search, and deleting that deletes."""
