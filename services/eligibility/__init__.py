"""Eligibility: payers, coverages, checks, benefits, estimates."""
