"""The rules about people: what may be kept of them, and who is who. Values in, decision out."""
