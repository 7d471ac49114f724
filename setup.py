"""The compiled part of Dentwatch; everything else about the package stands in ``pyproject.toml``.

Without a C compiler the installation goes on, and the service decodes photos with libjpeg-turbo instead.
"""

from pathlib import Path

from setuptools import Extension, setup

_PYTHON = "0x030B0000"  # one build serves 3.11 and all that come after it
_SOURCES = Path("src/dentwatch/data/dc_jpeg")

setup(
    ext_modules=[
        Extension(
            "dentwatch.data._dc_jpeg",
            sources=sorted(map(str, _SOURCES.glob("*.c"))),
            depends=sorted(map(str, _SOURCES.glob("*.h"))),
            define_macros=[("Py_LIMITED_API", _PYTHON)],
            extra_compile_args=["-std=c11", "-O3"],
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
