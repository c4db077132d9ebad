"""The wire between services: events, one module per producer, and permissions. Pydantic and values only."""
