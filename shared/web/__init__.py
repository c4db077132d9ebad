"""The chassis of a service process: routes, tokens, problems, probes, logs and the runner."""
