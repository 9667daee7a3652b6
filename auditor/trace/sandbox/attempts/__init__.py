"""Programs that try to get out of the sandbox, one small snippet each, and the host scene that they are judged by."""
