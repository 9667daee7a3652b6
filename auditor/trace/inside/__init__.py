"""What runs inside the sandbox, beside the submission. Imports nothing of ours from outside this folder."""
