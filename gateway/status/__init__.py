"""How the gateway is doing, as load balancers and monitors ask: liveness, readiness, metrics."""
