import hubless


@hubless.agent
def greet(name: str) -> str:
    """Greets a person by name."""
    return f"hello {name}"


hubless.serve()
