"""The rules of booking and of the visit: values in, decision out."""
