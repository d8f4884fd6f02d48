"""BAGEL-7B-MoT on the unified model: its files, its contexts, its sampler, its switches."""
