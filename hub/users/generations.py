"""How many removals of each name the hub has carried out, in JupyterHub's database, beside what they end."""

from typing import Any

from jupyterhub import orm
from sqlalchemy import Column, Integer, Unicode


class Generation(orm.Base):  # type: ignore[misc]  # JupyterHub publishes no types
    """A name that was removed. JupyterHub creates the table when it opens its database."""

    __tablename__ = "cloudjhub_generations"
    name = Column(Unicode(255), primary_key=True)
    number = Column(Integer, nullable=False)


def carried_out(db: Any, name: str) -> int:
    """How many removals of the name the hub has carried out."""
    found = db.get(Generation, name)
    return int(found.number) if found else 0


def record(db: Any, name: str, number: int) -> None:
    """Records that so many were carried out. The caller commits."""
    db.merge(Generation(name=name, number=number))
