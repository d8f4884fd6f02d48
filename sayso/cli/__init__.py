"""The command line: parse, call one function, print. Each command imports its room when it runs."""
