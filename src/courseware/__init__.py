"""Tools that make the course out of its notebooks; `convbook` never imports this package.

`course --help` lists the commands. Importing `courseware` imports nothing else, so that each command
pays only for what it uses.
"""
