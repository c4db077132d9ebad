"""The verbs of payments: each inside a transaction that it neither begins nor ends."""
