"""How a script counts bytes, evaluated by a small machine and compared with the correct accounting."""
