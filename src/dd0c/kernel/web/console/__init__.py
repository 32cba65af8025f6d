"""The console: server-rendered pages for people, in one design system.

`frame.Console` renders templates (the kernel's and each product's) inside one page frame;
`figures` writes numbers, money and time; `charts` and `curves` draw SVG; `sign_in` turns a key into
a session. Pages work without script and under a content policy that allows none inline, so there is
no `style=` attribute and no event attribute in any template.

How a page is made. Its address is its state; its endpoint loads, makes one frozen dataclass (or
model) of what it says, and hands it over:

    @router.get("/console/route/requests")
    async def show(request: Request, who: Reader, chosen: Chosen) -> Response:
        stream = live.follow(request, who, "requests")       # before anything is loaded
        ...
        return frame.of(request).page(request, who, "route/requests.html", found,
                                      live=stream, csv=f"{PATH}.csv?{query}", headline=...)

The template extends `base.html`, fills `title`, `range` and `main`, and reads what is said from
`page` (`page["items"]` where a name is also a method). Then three things come by themselves:

- **The twin**: `/console/route/requests.json?…` answers with `found` as JSON under the same
  permission (`twin.py`; home is `/console.json`), and the foot of the page shows link, CSV, curl.
  So amounts in it are texts in dollars or integers of pico-dollars, never floats; a `Decimal` would
  be written as `1E-12`.
- **Live**: the product lists `Topic("requests", "route:read", mark)` in its `Section.topics`;
  `mark(tx)` returns a text that differs when the pages about it would. The bar shows live, pause,
  and what is wrong; on news the script loads the address again and moves over what differs. Rows
  keep their place and focus by `<tr data-key="id">`; `data-still` keeps an element out of it.
- **Keys**: `<a data-row="id" href=…>` in a row makes j, k, Enter and c work.

Macros of `parts.html`, all shown on /console/kit: `state` (good info warn bad), `tag`, `copy`,
`command`, `ranges`, `facts`, `empty` (nothing filtered forbidden failed), `notice` (partial,
stale), `as_of`, `head` (from `tables.heads`: sorting, units), `pages`, `chart` (SVG, legend,
table), `danger` (type the name), `live`, `twin`.

A `Section` is what a product adds: templates, `nav` (with `first=False` for what a phone keeps in
its menu), `jumps` (ids to pages), `search`, `topics`, `finders` (for the palette), `related` (links
on pages of other objects).
"""
