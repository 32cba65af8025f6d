"""The console: server-rendered pages for people, in one design system.

`frame.Console` renders templates (the kernel's and each product's) inside one page frame;
`figures` writes numbers, money and time; `charts` draws SVG; `sign_in` turns a key into a session.
Pages work without script and under a content policy that allows none inline, so there is no
`style=` attribute and no event attribute in any template.
"""
