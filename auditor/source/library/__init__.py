"""What the functions and classes of Python, NumPy and PyTorch do to values."""
