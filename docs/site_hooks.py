"""Resolves links for the documentation site, and checks that its pages load nothing from another host.

The pages are also read on GitHub, where a relative link may lead to any file of the repository.
On the site such a link becomes the file's address on GitHub. Pages of the reference that are
symbolic links to files at the root (CONFIGURATION.md) resolve their links from the root.

A link to a file that does not exist is left alone: MkDocs reports it, and `--strict` fails.
"""

import logging
import os
import pathlib
import posixpath
import re

REPOSITORY = "https://github.com/aws-transfer-exporter/aws-transfer-exporter"
LINK = re.compile(r"(!?\[(?:[^\]\[]|\[[^\]]*\])*\]\()([^)\s]+)(\))")
FENCE = re.compile(r"^ *(```|~~~)")
# Scripts, images and style sheets; `rel=canonical` and the like load nothing.
LOADED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\brel=[\"']?(?:stylesheet|icon|preload|preconnect)[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b[^>]*\bhref=[\"']?(?:https?:)?//[^>]*\brel=[\"']?(?:stylesheet|icon|preload|preconnect)[^>]*>"
)

log = logging.getLogger("mkdocs.hooks.site")

root = pathlib.Path(__file__).resolve().parent.parent


def on_files(files, config):
    """Maps each page's real path to its place on the site."""
    config.extra["pages"] = {os.path.realpath(file.abs_src_path): file.src_uri for file in files if file.abs_src_path}
    return files


def on_page_markdown(markdown, page, config, files):
    source = pathlib.Path(os.path.realpath(page.file.abs_src_path))
    pages = config.extra["pages"]

    def resolve(match):
        before, target, after = match.groups()
        path, hash_, anchor = target.partition("#")
        if not path or "://" in path or path.startswith(("mailto:", "/")):
            return match[0]
        found = pathlib.Path(os.path.normpath(source.parent / path))
        if str(os.path.realpath(found)) in pages:
            here = posixpath.dirname(page.file.src_uri)
            target = posixpath.relpath(pages[os.path.realpath(found)], here or ".")
        elif found.exists() and found.is_relative_to(root):
            kind = "tree" if found.is_dir() else "blob"
            target = f"{REPOSITORY}/{kind}/main/{found.relative_to(root).as_posix()}"
        else:
            return match[0]
        return f"{before}{target}{hash_}{anchor}{after}"

    lines, fenced = [], False
    for line in markdown.split("\n"):
        fenced ^= bool(FENCE.match(line))
        lines.append(line if fenced else LINK.sub(resolve, line))
    return "\n".join(lines)


def on_post_page(output, page, config):
    for tag in LOADED.findall(output):
        log.warning("'%s' loads from another host: %s", page.file.src_uri, tag)
    return output
