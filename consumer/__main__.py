"""`python -m consumer` is the program `consumer`."""

from consumer.cli import main

if __name__ == "__main__":
    main()
