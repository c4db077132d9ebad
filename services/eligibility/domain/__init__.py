"""The rules of eligibility: values in, decision out; shared.values and shared.x12 alone."""
