"""The fabric: a constant matrix as full and half adders, which take one bit of every input at a time.

A row of weights is a sum of one-bit literals with small coefficients. `parts` finds common parts of two rows, `triples`
finds full adders that several sums can share, and `compress` adds up the remaining terms of each sum. The result is a
`network` of adders and nets, which can be evaluated and written out.
"""
