"""Transactions, and what stands in every service's database: who commits, what is locked, what is kept."""
