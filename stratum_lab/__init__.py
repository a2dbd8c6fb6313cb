"""Stratum Lab: an event-sourced streaming pipeline that scans AI-agent repositories."""
