"""Set-up on a machine that has nothing yet: make runs it with the system's Python.

So it is written with the standard library only.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older Python finds out
    sys.exit(
        "Meibo needs Python 3.11 or newer, and %s is %d.%d. "  # noqa: UP031
        "With another one installed: make PYTHON=python3.12 ..."
        % (sys.executable, sys.version_info[0], sys.version_info[1])
    )
