"""The starter model: a bundle (``model.onnx``, ``model.json``, ``card.md``) that answers right after installation.

``card.md`` says how it was made and what it can and cannot do. Everything in this folder travels with the package.
"""
