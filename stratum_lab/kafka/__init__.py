"""The only door to Kafka: address, clients, topics, registry, and the back-ends that provide a broker."""
