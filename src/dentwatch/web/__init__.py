"""The pages that people work in: server-rendered, beside the API in the same process, each with a JSON twin.

Every page is a function that puts a *view* together, a plain document; :mod:`.pages` shows it as HTML at its path and
as JSON at the path with ``.json`` behind. What a page changes it changes through the API, with small scripts under
``assets/``: there is one way to do a thing.
"""
