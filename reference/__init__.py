"""The reference trainer's place. It holds no code yet."""
