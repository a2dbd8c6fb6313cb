"""What can provide a broker, each behind the same Protocol (`base.Backend`).

To add one: a module here with a class that fulfils the Protocol, a line in `select.BACKENDS`, its name in the settings,
and the tests of `tests/integration/kafka/test_backends.py` with its name as one more parameter.
"""
