"""``python -m meibo`` is the same as ``meibo``."""

from meibo.cli import main

if __name__ == "__main__":
    main(prog_name="meibo")
