"""What is read, without writing."""
