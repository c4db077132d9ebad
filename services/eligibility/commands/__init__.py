"""What eligibility does: one verb, one function, in a transaction it neither begins nor ends."""
