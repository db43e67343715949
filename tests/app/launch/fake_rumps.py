"""The surface of rumps 0.4, recorded: names, parameters and the habits that bite. Draws nothing."""

separator = object()
alerts: list[tuple[str, str]] = []


class MenuItem:
    """A line, which may hold others: two of the same title are one, and an empty one has none."""

    def __new__(cls, *args, **_):
        return args[0] if args and isinstance(args[0], MenuItem) else super().__new__(cls)

    def __init__(self, title, callback=None, key=None, icon=None, dimensions=None, template=None):
        if isinstance(title, MenuItem):
            return
        self.title = str(title)
        self.callback = callback
        self.look = (key, icon, dimensions, template)
        self.state = 0
        self.items = None

    def set_callback(self, callback, key=None):
        self.callback = callback
        self.key = key

    def add(self, menuitem):
        self.items = {} if self.items is None else self.items
        item = menuitem if menuitem is separator else MenuItem(menuitem)
        self.items.setdefault(object() if item is separator else item.title, item)

    def clear(self):
        if self.items is None:
            raise AttributeError("'NoneType' object has no attribute 'removeAllItems'")
        self.items.clear()

    def click(self):
        assert self.callback is not None, f"{self.title} is grey"
        self.callback(self)

    def named(self, title):
        return self.items[title]


class App:
    """The application; `run` returns at once."""

    def __init__(self, name, title=None, icon=None, template=None, menu=None, quit_button="Quit"):
        assert isinstance(name, str)
        self.name, self.title = name, title
        self.look = (icon, template, quit_button)
        self.menu = MenuItem("the bar")
        for item in menu or ():
            self.menu.add(item)
        self.ran = False

    def run(self):
        self.ran = True


class Timer:
    """Calls back on the main thread; here, when it is told to."""

    def __init__(self, callback, interval):
        self.callback, self.interval = callback, interval
        self.started = False

    def start(self):
        self.started = True


def alert(title=None, message="", ok=None, cancel=None, other=None, icon_path=None):
    assert (ok, cancel, other, icon_path) == (None, None, None, None)
    alerts.append((title, message))
