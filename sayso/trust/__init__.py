"""Policy, provenance, an invisible mark, look-up of copies: pixels and dictionaries only"""
