"""The open disputes, one file each: questions that organizers left open or answered both ways."""
