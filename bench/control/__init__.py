"""The control: appointments as a tutorial would build them. It is measured, never used."""
