"""`python -m fi_async` is the command line `fi-async`."""

from fi_async.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
