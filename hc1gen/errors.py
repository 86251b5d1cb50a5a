"""The one exception family. A message says where, what is wrong, what was found, what was expected, what to do."""


class Hc1genError(Exception):
    """Base of every error a user can meet; `exit_code` is what the command line returns."""

    exit_code = 1


class CheckFailed(Hc1genError):
    """A comparison came out wrong: the chip differs from the golden model, a digest from the manifest, ..."""

    exit_code = 1


class InputError(Hc1genError):
    """The user's input cannot be taken. Collects every problem of one input, one line each."""

    exit_code = 2

    def __init__(self, where: object, problems: "str | list[str]"):
        self.where = str(where)
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(f"{self.where}: {p}" for p in self.problems))


class ToolMissing(Hc1genError):
    """A program that the command needs is not installed."""

    exit_code = 3


def problem(what: str, got: object, expected: object, todo: str) -> str:
    """One problem line: what is wrong, got, expected, what to do."""
    return f"{what}: got {got}, expected {expected}; {todo}"
