"""Triton without a GPU: kernels run as plain Python, all programs of a grid at once, on torch tensors on the CPU.

`values` holds what a kernel computes with, `memory` what it loads and stores, `language` the functions of `tl`,
`launch` runs a grid, `modules` builds the modules that a script imports.
"""
