"""Clinics, schedules, bookings and the flow of a visit."""
