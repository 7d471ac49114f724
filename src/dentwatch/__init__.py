"""Dentwatch finds scratches and dents in photos of used cars and runs the life of the model that does so.

The folders are the pipelines: ``records`` (what is kept), ``data``, ``training``, ``serving``, ``monitoring`` and
``pipelines`` (the loop that ties them). See ``docs/architecture.md``.
"""

from importlib.metadata import version

__version__ = version("dentwatch")
