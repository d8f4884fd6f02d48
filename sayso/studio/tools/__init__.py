"""What is done to pixels besides drawing: masks, sizes, backgrounds, files. Arrays in, arrays out."""
