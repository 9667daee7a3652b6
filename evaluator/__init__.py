"""The measuring instrument. So far it holds the statistics of seeds (`statistics.py`)."""
