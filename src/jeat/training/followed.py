"""Which step an optimiser takes: what is said, else what the method's file asks for."""

from jeat._support.plugins import Part, constant_of

__all__ = ["PLAIN", "step_followed"]

PLAIN = "plain"


def step_followed(method: str, said: Part | None = None) -> Part:
    """The step of a run, by name; ``said`` is that of its :class:`Optimisation`.

    Raises:
        SettingError: there is no such method.
    """
    own: Part = constant_of("objectives", method, "step") or PLAIN
    return said or own
