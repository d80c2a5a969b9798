"""`python -m mainstay` is the command `mainstay`."""

from mainstay.cli import main

if __name__ == "__main__":
    main()
