"""The routes, a file for each interface. They translate; what they mean is decided in the studio."""
