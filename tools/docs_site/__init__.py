"""What mkdocs needs to build the documentation site, beside mkdocs.yml: hooks, API pages, theme."""
