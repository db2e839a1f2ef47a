"""What the command line does, a module a command: its arguments first, then what it does with them.

Nothing here imports torch before a command runs: ``--help`` and a mistyped word are answered at once.
"""
