"""The telemetry ping: made from a scan field by field, completed for its attempt, checked, read at every schema."""
