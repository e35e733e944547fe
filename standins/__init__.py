"""Programs that stand in for archives and the hub: for the demo, the compose profile and the tests."""
