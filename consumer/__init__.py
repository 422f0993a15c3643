"""The program that stores: records into the database, and conversations out of records."""
