"""What no page may do, whatever a test looks at: violate the policy, log an error, throw, ask another origin."""

from __future__ import annotations

from collections.abc import Sequence

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} blocked ${event.blockedURI} ${event.sample}`));
"""
INSIDE = ("data:", "blob:", "about:")


class Watch:
    """Listens to a context from its first page on."""

    def __init__(self, context: BrowserContext, origin: str, expected: Sequence[str] = ()) -> None:
        self.origin = origin
        self.found: list[str] = []
        self.expected = list(expected)
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("console", self.console)
        context.on("weberror", self.error)
        context.on("request", self.request)

    def console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.found.append(f"{message.text} ({message.location.get('url', '')})")

    def error(self, error: WebError) -> None:
        self.found.append(str(error.error))

    def request(self, request: Request) -> None:
        if not request.url.startswith((self.origin + "/", *INSIDE)):
            self.found.append(f"a request leaves the origin: {request.url}")

    def expect(self, text: str) -> None:
        """This test provokes errors that hold the text: Chromium logs each answer from 400 up."""
        self.expected.append(text)

    def check(self) -> None:
        """AssertionError lists what was found and not expected."""
        unexpected = [line for line in self.found if not any(text in line for text in self.expected)]
        assert not unexpected, "\n".join(unexpected)
