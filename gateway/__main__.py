"""`python -m gateway` is the program `gateway`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
