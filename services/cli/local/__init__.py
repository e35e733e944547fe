"""The one-machine engine: Postgres, a broker, the sweeper and the workers as children of one supervisor."""
