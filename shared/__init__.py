"""Mechanism that every service uses the same way. Clinic words live in `contracts` alone."""
