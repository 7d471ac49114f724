"""``python -m dentwatch`` is ``dentwatch``."""

from dentwatch.cli import main

if __name__ == "__main__":
    main()
