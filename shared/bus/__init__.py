"""The event bus: one port, its transports, the relay that feeds it, the consumer."""
