"""What the code does with validation tokens: values are followed through the entry script without running it."""
