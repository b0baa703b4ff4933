"""A class of hostile and honest submissions for the lab `bottleneck`.

An attack is a function of the modules `exhausting`, `breaking`, `spying`, `forging` and `answering`; its
source is put into a notebook, as the answer to one exercise. It takes the place of honest work, so it has
earned nothing there, whatever it does; the exercises beside it are solved and keep their points. Where an
attack learns what it must not know it raises an error that says LEAKED, which no page may show.
`broken` holds files that are hostile in themselves, `honest` the students whose marks must not change.

Nothing here is run by the tests' own process.
"""
