"""The list of pages at the side. Pages of runs are not in it, so all of them show the same one, made once."""

from markupsafe import Markup

OUTSIDE = ("cells/", "runs/")
SHOWN = {
    "startdepth": 0,
    "kind": "sidebar",
    "maxdepth": 4,
    "collapse": False,
    "includehidden": True,
    "titles_only": True,
    "show_nav_level": 1,
}


def offer(app, pagename, templatename, context, doctree):
    """Give templates `contents_of_the_book`."""
    made = app.__dict__.setdefault("contents_of_the_book", {})

    def contents_of_the_book():
        # links are relative: pages of one depth share them
        key = pagename.count("/") if pagename.startswith(OUTSIDE) else pagename
        if key not in made:
            contents = context["generate_toctree_html"](**SHOWN)
            for fold in contents.select("li > details > summary"):
                # a fold without a name is nothing to who does not see its arrow
                fold["aria-label"] = f"Pages under {fold.find_parent('li').find('a').get_text(strip=True)}"
            made[key] = Markup(str(contents))
        return made[key]

    context["contents_of_the_book"] = contents_of_the_book


def setup(app):
    app.connect("html-page-context", offer, priority=499)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
