"""The wire between services: events, one module a producer, and permissions."""
