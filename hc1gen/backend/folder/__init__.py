"""A baked folder: what lies where in it, its manifest, and how both are read and written. docs/manifest.md.

`chip_folder.ChipFolder` reads one and gives its files by role; `writer.FolderWriter` and `target.replacing` write one.
"""
