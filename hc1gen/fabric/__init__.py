"""The fabric: one constant matrix as full and half adders, for one bit of every input at a time.

A row of weights is a sum of one-bit literals with small coefficients. `parts` finds what two rows have in common,
`triples` finds full adders that serve several sums, `compress` adds up what is left of each sum; `network` is the
result: adders and nets, which can be evaluated and written out.
"""
