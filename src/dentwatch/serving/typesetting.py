"""Typst in a process of its own.

Its compiler keeps what the last ten documents needed, half a gigabyte after reports of 20 photos, and offers no way to
let go of it. A process that ends does.
"""

import subprocess
import sys
from pathlib import Path

PATIENCE_SECONDS = 60.0  # a report of 40 photos takes a few


def typeset(document: Path) -> bytes:
    """The PDF of a Typst document, which may read what lies beside it.

    It conforms to PDF/UA-1 where its fonts have every character. Raises :class:`subprocess.CalledProcessError` for a
    document that Typst refuses (it says why on stderr) and :class:`subprocess.TimeoutExpired`.
    """
    made = document.with_suffix(".pdf")
    command = [sys.executable, "-m", __name__, str(document), str(made)]
    subprocess.run(command, check=True, timeout=PATIENCE_SECONDS)
    return made.read_bytes()


def main(document: Path, made: Path) -> None:
    """Write the PDF of ``document`` to ``made``."""
    import typst

    def compile_to(standards: list["typst.PDFStandard"]) -> None:
        typst.compile(
            document, made, root=document.parent, format="pdf", ignore_system_fonts=True, pdf_standards=standards
        )

    try:
        compile_to(["ua-1"])
    except typst.TypstError:
        # A name in a script that the fonts do not have: PDF/UA forbids what cannot be shown. Anything else raises
        # again.
        compile_to([])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
