"""Access to the scanned source: walk and limits, parsing, the index of each file, and the resolver of names."""
