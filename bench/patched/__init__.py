"""Scripts that other interpreters run for `bench.patcher`; they know nothing of the rest of this repository."""
