"""The verbs of documents, each inside a transaction that it neither begins nor commits."""
