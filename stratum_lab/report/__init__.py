"""Reports of one scan for people and tools: text, picture, SARIF and baseline."""
