"""Run the command line as ``python -m dfaseg``."""

from dfaseg.cli.main import main

if __name__ == "__main__":
    main()
