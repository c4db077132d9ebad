"""Contracts that evolve: what was released, what may change, and what each reader reads."""
