"""What people run beside the graph, from the project's folder: `python -m scripts.results`; one module a command."""
