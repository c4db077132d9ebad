"""The event bus: one port, its transports, the relay that feeds it and the consumer that reads it."""
