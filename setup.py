"""The compiled parts of Dentwatch; everything else about the package stands in ``pyproject.toml``.

Without a C compiler the installation goes on: the service decodes photos with libjpeg-turbo and measures them with
OpenCV, the drift detectors count with NumPy.
"""

from pathlib import Path

from setuptools import Extension, setup

_PYTHON = "0x030B0000"  # one build serves 3.11 and all that come after it


def _extension(name: str, sources: Path, *flags: str) -> Extension:
    return Extension(
        name,
        sources=sorted(map(str, sources.parent.glob(sources.name))),
        depends=sorted(map(str, sources.parent.glob("*.h"))),
        define_macros=[("Py_LIMITED_API", _PYTHON)],
        extra_compile_args=["-std=c11", "-O3", *flags],
        py_limited_api=True,
        optional=True,
    )


setup(
    ext_modules=[
        _extension("dentwatch.data._dc_jpeg", Path("src/dentwatch/data/dc_jpeg/*.c")),
        _extension("dentwatch.data._grey_sums", Path("src/dentwatch/data/grey_sums.c")),
        # Products and sums must not be fused: the money is NumPy's to the last bit.
        _extension(
            "dentwatch.monitoring.drift._recursion",
            Path("src/dentwatch/monitoring/drift/recursion.c"),
            "-ffp-contract=off",
        ),
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
