"""Puts the Chalice project, which Chalice wants at the repository's root, into the package; pyproject.toml says the
rest.
"""

from pathlib import Path
from shutil import copyfile

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT = ("app.py", "requirements.txt", ".chalice/config.json")


class WithProject(build_py):
    """Copies the project into `bootstrap`, where `bootstrap/cluster/chalice.py` finds it."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # a checkout has it at its root
            return
        for name in PROJECT:
            target = Path(self.build_lib, "bootstrap/project", name)
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(name, target)


setup(cmdclass={"build_py": WithProject})
