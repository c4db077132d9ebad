"""The manifests of deploy/k8s: rendered and judged without a cluster."""
