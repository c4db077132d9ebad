"""Mechanism that every service uses the same way. No clinic word lives here, save in `contracts`."""
