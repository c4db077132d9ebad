"""Request and response models; never a table."""
