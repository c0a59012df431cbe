"""Parts that pages share: widgets, tables, glossary, palette, links."""
