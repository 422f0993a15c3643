"""How fast the consumer stores and links, and how fast one reads among millions of records."""
