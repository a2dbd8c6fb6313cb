"""One module per group of the field catalogue, one public function per field, named like the field.

Functions take the `Scan`; those of the groups identity, scan and rescan take the `Emission`, because they speak
about the attempt. A field without a function, or a function without a field, stops the import of
`stratum_lab.ping.catalogue`.
"""
