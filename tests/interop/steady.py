"""A slixmpp client that acknowledges and resumes (XEP-0198), and remembers what it sent and got."""

import asyncio

from cases import check
from library import WAIT, Person


class Steady(Person):
    """One client of an account that comes back to its session."""

    def __init__(self, server, name, **options):
        super().__init__(server, name, **options)
        self.register_plugin("xep_0198")
        self.sent, self.got, self.acknowledged = {}, [], []
        self.changed = asyncio.Event()
        self.back = None
        self.add_event_handler("message", self.note)
        self.add_event_handler("stanza_acked", self.note_acknowledged)
        self.add_event_handler("session_resumed", lambda _: self.returned("resumed"))
        self.add_event_handler("session_start", lambda _: self.returned("started anew"))

    def note(self, message):
        """Remembers a message with text."""
        if message["body"]:
            self.got.append((message["from"].user, message["body"]))
            self.changed.set()

    def note_acknowledged(self, stanza):
        """Remembers the text of an acknowledged message."""
        if stanza.name == "message" and stanza["body"]:
            self.acknowledged.append(stanza["body"])
        self.changed.set()

    def returned(self, how):
        """Notes how the client came back."""
        if self.back and not self.back.done():
            self.back.set_result(how)

    def say(self, other, count=1):
        """Sends messages with texts that are told apart by their number, in order, to a bare address."""
        told = self.sent.setdefault(other.requested_jid.user, [])
        for _ in range(count):
            told.append(f"{self.requested_jid.user} to {other.requested_jid.user} {len(told)}")
            self.send_message(mto=other.requested_jid.bare, mbody=told[-1], mtype="chat")

    async def until(self, condition, what):
        """Waits until the condition holds; looks again whenever something arrives or is acknowledged."""
        try:
            async with asyncio.timeout(WAIT):
                while not condition():
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise AssertionError(f"{self.requested_jid.user} waited for {what}; got {self.got[-5:]}") from None

    async def gone(self):
        """Waits until the client knows that its connection is no more."""
        while self.is_connected():
            await asyncio.wait_for(asyncio.shield(self.disconnected), WAIT)

    async def come_back(self):
        """Connects again and returns whether the session was resumed or another one was started."""
        self.back = asyncio.get_running_loop().create_future()
        self.dial()
        return await asyncio.wait_for(self.back, WAIT)

    async def resume(self):
        """Comes back to the same session."""
        how = await self.come_back()
        check(how == "resumed", self.requested_jid.user, how)

    async def acknowledged_all(self):
        """Asks once for acknowledgement of all that was sent, and waits until all is acknowledged."""
        wanted = sorted(text for texts in self.sent.values() for text in texts)
        # What was sent stands in a queue of slixmpp; the request would overtake it.
        await self.waiting_queue.join()
        self["xep_0198"].request_ack()
        await self.until(lambda: len(self.acknowledged) >= len(wanted), f"{len(wanted)} acknowledgements")
        check(sorted(self.acknowledged) == wanted, "acknowledged:", self.acknowledged, "sent:", wanted)

    async def has_all_of(self, *others):
        """Waits for a last message of each of the others; then each message of theirs is there once, in order."""
        name = self.requested_jid.user
        for other in others:
            other.say(self)
            last = (other.requested_jid.user, other.sent[name][-1])
            await self.until(lambda: last in self.got, last)
            got = [text for sender, text in self.got if sender == other.requested_jid.user]
            check(got == other.sent[name], difference(got, other.sent[name]))


def difference(got, sent):
    """Says how what arrived differs from what was sent."""
    missing = [text for text in sent if text not in got]
    doubled = sorted({text for text in got if got.count(text) > 1})
    strange = [text for text in got if text not in sent]
    order = "" if missing or doubled or strange else f"out of order: {got}"
    return f"missing: {missing}; doubled: {doubled}; never sent: {strange}; {order}"
