"""Change the main.py of a copied app, so that one thing is measured instead of another."""


def edit(folder, old, new):
    """Replace the only place of a text in `folder`/main.py."""
    main = folder / "main.py"
    text = main.read_text(encoding="utf-8")
    assert text.count(old) == 1
    main.write_text(text.replace(old, new), encoding="utf-8")
