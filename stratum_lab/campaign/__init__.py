"""What is scanned and in which order: source addresses, selection from earlier results, discovery."""
