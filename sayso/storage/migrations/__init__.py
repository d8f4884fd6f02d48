"""How the tables came to be, one file a step, in order; the newest is what `tables` says."""
