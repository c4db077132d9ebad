"""The rules of money: what may be charged, paid, given back, counted and closed. Pure."""
