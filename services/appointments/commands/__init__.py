"""What appointments does: one verb, one function, inside a transaction it neither begins nor commits."""
