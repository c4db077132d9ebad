"""The rules of documents: what is taken in, what it is, who may file it, what goes with a visit."""
