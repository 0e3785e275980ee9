"""What a person does at a terminal, whatever the client; slixmpp sees to it at the other end."""

import asyncio
import contextlib

from cases import case, check
from library import WAIT, Person, play
from wire import Wire

COUNT = 6


@contextlib.asynccontextmanager
async def two(client, server, word, *way):
    """Logs in a person with the client, behind a wire, and a friend with slixmpp. Each story has its accounts."""
    name, other = server.account(f"{word}-ann"), server.account(f"{word}-ben")
    with Wire(server) as wire:
        # Only direct TLS has a port of its own, and no wire leads to it.
        ann = client(server, name, server.data.parent / word, None if way else wire)
        ben = Person(server, other, resource="shore")
        # The friend decides himself who may see him.
        ben.auto_authorize = None
        try:
            await ben.login()
            # Only who has asked for the roster is told of subscriptions.
            await ben.get_roster()
            await asyncio.to_thread(ann.login, *way)
            yield ann, ben, wire
        except BaseException:
            if not ann.child.closed:
                ann.look(1)
            print(f"the screen of {ann.name} at the end:\n{ann.text()}")
            raise
        finally:
            ann.close()
            await ben.leave()


async def told(person, kind):
    """Waits for the next presence of that type or show that somebody else sends, and returns it."""
    while True:
        presence = await asyncio.wait_for(person.seen.get(), WAIT)
        if presence["type"] == kind and presence["from"].bare != person.boundjid.bare:
            return presence


def send(person, to, texts):
    """Sends a message of each text."""
    for text in texts:
        person.send_message(mto=to, mbody=text, mtype="chat")


def numbered(what):
    """Returns a few texts that nothing else on a screen looks like."""
    return [f"{what}-{number}." for number in range(COUNT)]


def talk(client, server, word, *way):
    """Messages go both ways, and arrive as they were written."""

    async def story():
        async with two(client, server, word, *way) as (ann, ben, _):
            ann.say(ben.boundjid.bare, "Grüße vom Ufer 🛶")
            got = await ben.next()
            check(got["body"] == "Grüße vom Ufer 🛶", repr(got["body"]))
            check(got["from"].bare == f"{ann.name}@{server.domain}" and got["from"].resource, got["from"])
            send(ben, got["from"], ["Antwort: <&> zurück"])
            await asyncio.to_thread(ann.wait_for, "Antwort: <&> zurück")

    play(story())


def contact(client, server, word):
    """A contact is added and agrees; presence goes both ways; the roster at the server says so."""

    async def story():
        async with two(client, server, word) as (ann, ben, _):
            own, friend = f"{ann.name}@{server.domain}", ben.boundjid.bare
            await asyncio.to_thread(ann.befriend, friend, "Benni")
            check((await told(ben, "subscribe"))["from"] == own, "somebody else asked")
            ben.send_presence(pto=own, ptype="subscribed")
            ben.send_presence(pto=own, ptype="subscribe")
            await asyncio.to_thread(ann.allow, friend)
            await told(ben, "subscribed")
            await told(ben, "available")
            await asyncio.to_thread(ann.away, "Ebbe, um fünf zurück")
            seen = await told(ben, "away")
            check(seen["status"] == "Ebbe, um fünf zurück" and seen["from"].bare == own, seen)
            ben.send_presence(pshow="xa", pstatus="auf See")
            await asyncio.to_thread(ann.sees, friend, "auf See")
            other = await Person(server, ann.name, resource="look").login()
            await other.get_roster()
            entry = other.client_roster[friend]
            check(entry["subscription"] == "both" and entry["name"] in ("Benni", ""), entry)
            check(friend in other.client_roster.keys(), "no entry in the roster")
            await other.leave()
            await told(ben, "unavailable")
            ann.close()
            check((await told(ben, "unavailable"))["from"] == seen["from"], "another one left")

    play(story())


def catch_up(client, server, word):
    """The client is killed, another one of the account has the conversation meanwhile; the archive tells of it."""

    async def story():
        async with two(client, server, word) as (ann, ben, _):
            friend = ben.boundjid.bare
            ann.say(friend, "bin da")
            got = await ben.next()
            before, heard, said = numbered("vorher"), numbered("gehört"), numbered("gesagt")
            send(ben, got["from"].bare, before)
            await asyncio.to_thread(ann.has_once, *before)
            await asyncio.to_thread(ann.kill)
            # poezio asks in whole seconds, from the one behind the last message that it knows up to the one that has begun.
            await asyncio.sleep(1.1)
            # It takes the place of the killed one, so that nothing is kept for that.
            other = await Person(server, ann.name, resource=got["from"].resource).login()
            for question, answer in zip(heard, said):
                send(ben, other.boundjid.bare, [question])
                check((await other.next())["body"] == question, question)
                send(other, friend, [answer])
                check((await ben.next())["body"] == answer, answer)
            await other.leave()
            await asyncio.sleep(1.1)
            await asyncio.to_thread(ann.restart_with_archive)
            ann.open(friend)
            await asyncio.to_thread(ann.has_once, *[text for pair in zip(heard, said) for text in pair])

    play(story())


def offline(client, server, word):
    """The client is killed and nobody else is there; what was sent meanwhile is shown once."""

    async def story():
        async with two(client, server, word) as (ann, ben, _):
            ann.say(ben.boundjid.bare, "bin da")
            got = await ben.next()
            await asyncio.to_thread(ann.kill)
            missed = numbered("verpasst")
            send(ben, got["from"].bare, missed)
            await ben["xep_0199"].ping(server.domain, timeout=WAIT)
            await asyncio.to_thread(ann.restart)
            ann.open(ben.boundjid.bare)
            await asyncio.to_thread(ann.has_once, *missed)

    play(story())


def resume(client, server, word):
    """The connection is cut; the client comes back to its session; nobody saw it leave, nothing is lost or doubled."""

    async def story():
        async with two(client, server, word) as (ann, ben, wire):
            # Another client of the account is told when a session of it ends.
            look = await Person(server, ann.name, resource="look").login()
            ann.say(ben.boundjid.bare, "bin da")
            got = await ben.next()
            while not look.seen.empty():
                look.seen.get_nowait()
            first, second, answers = numbered("eins"), numbered("zwei"), numbered("Antwort")
            send(ben, got["from"].bare, first[:3])
            await asyncio.to_thread(ann.has_once, *first[:3])
            wire.cut(refuse=True)
            send(ben, got["from"].bare, first[3:])
            wire.mend()
            await asyncio.to_thread(ann.has_once, *first)
            # Messages reach the server and their acknowledgements get lost.
            wire.stall("client")
            for text in answers:
                ann.say(ben.boundjid.bare, text)
            for text in answers:
                check((answer := await ben.next())["body"] == text, answer)
            send(ben, got["from"].bare, second)
            wire.cut()
            await asyncio.to_thread(ann.has_once, *second)
            check(wire.accepted > 2, wire.accepted, "connections")
            ann.say(ben.boundjid.bare, "Schluss")
            last = await ben.next()
            check(last["body"] == "Schluss" and last["from"] == got["from"], last)
            while not look.seen.empty():
                # profanity says once more that it is there; nobody may have said that it is not.
                check((presence := look.seen.get_nowait())["type"] != "unavailable", presence)
            await look.leave()

    play(story())


def tell(name, client, without=()):
    """Makes the cases of a client, without the stories that it is not made for."""
    for story, sentence in (
        (talk, "a person at a terminal talks with slixmpp over STARTTLS"),
        (contact, "a person adds a contact, who agrees, and both see each other come, change and go"),
        (catch_up, "the client is killed, another one talks meanwhile, and the archive tells of it after the restart"),
        (offline, "the client is killed, and what was sent to it meanwhile is shown after the restart"),
        (resume, "the connection is cut, and the client goes on with its session"),
    ):
        if story not in without:
            run = lambda server, story=story: story(client, server, f"{name}-{story.__name__.replace('_', '-')}")
            case(f"{name}: {sentence}")(run)
