"""What the integration tests, the sandbox tests and the demonstration share: starting proxies and programs."""
