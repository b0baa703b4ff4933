"""Benchmarks: what the course's own code is worth beside what one would otherwise use.

`figure` is one measured line with its target, `turns` measures two or more sides in turns, `case` is what a
suite consists of, `result` writes what came out, `page` and `terminal` show it. `training` lists the cases of
`course bench training` and runs a list of cases; `grading` is another such list.
"""
