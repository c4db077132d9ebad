"""Transactions, and what stands in every service's database."""
