import pytest

from mainstay.base.dice import Dice


class Loaded(Dice):
    """Dice that roll what they are told, and then the last of it again and again."""

    def __init__(self, *rolls):
        super().__init__(0)
        self.rolls = list(rolls)
        self.random = self.roll

    def roll(self):
        return self.rolls.pop(0) if len(self.rolls) > 1 else self.rolls[0]


@pytest.fixture
def loaded():
    return Loaded
