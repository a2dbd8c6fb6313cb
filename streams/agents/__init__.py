"""The agents of the application, imported by hand from `streams.application`."""
