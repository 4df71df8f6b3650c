"""How fast and how big Meibo is, measured beside a bare server in one run: ``python -m bench``.

Not part of what is installed. docs/performance.md says what each row means.
"""
