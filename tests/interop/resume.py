"""Cases with slixmpp and XEP-0198: the connection breaks in all ways; payloads are compared at the receiver."""

import asyncio
import contextlib

import slixmpp

from cases import case, check
from library import WAIT, play
from server import Eyot, Impatient
from steady import Steady
from wire import CLIENT, Wire

FLOW = 40


async def acquainted(server, wire):
    """Logs in alice, and bob behind a wire; bob's presence is known to alice."""
    alice = await Steady(server, "alice", resource="island").login()
    bob = await Steady(server, "bob", resource="shore", wire=wire).login()
    bob.send_presence(pto=alice.boundjid.full)
    await saw(alice, bob, "available")
    return alice, bob


@contextlib.asynccontextmanager
async def couple(server):
    """Logs in two who know each other, one behind a wire that can break; logs them out at the end."""
    with Wire(server) as wire:
        alice, bob = await acquainted(server, wire)
        yield alice, bob, wire
        # bob was there all the time, as far as anybody could tell.
        while not alice.seen.empty():
            presence = alice.seen.get_nowait()
            check(presence["from"] != bob.boundjid or presence["type"] != "unavailable", presence)
        await bob.leave()
        await alice.leave()


async def saw(watcher, other, kind):
    """Waits until the watcher is told of the other's presence."""
    while True:
        presence = await asyncio.wait_for(watcher.seen.get(), WAIT)
        if presence["from"] == other.boundjid and presence["type"] == kind:
            return


def both_say(alice, bob):
    """Lets messages flow both ways."""
    alice.say(bob, FLOW)
    bob.say(alice, FLOW)


async def both_have_all(alice, bob):
    """Waits until both have got all that was sent to them, and all of bob's is acknowledged."""
    await bob.has_all_of(alice)
    await alice.has_all_of(bob)
    await bob.acknowledged_all()


@case("slixmpp: the connection is cut while messages flow; the client resumes, nothing is missing or doubled")
def cut(server):
    async def story():
        async with couple(server) as (alice, bob, wire):
            both_say(alice, bob)
            await bob.until(lambda: len(bob.got) > FLOW // 8, "some messages")
            wire.cut(refuse=True)
            await bob.gone()
            # To a client that is away. It says nothing itself meanwhile: slixmpp would send that first.
            alice.say(bob, FLOW)
            await alice.acknowledged_all()
            wire.mend()
            await bob.resume()
            await both_have_all(alice, bob)

    play(story())


@case("slixmpp: acknowledgements are lost with the connection; what was handled is not handled twice")
def lost_acknowledgement(server):
    async def story():
        async with couple(server) as (alice, bob, wire):
            wire.stall(CLIENT)
            both_say(alice, bob)
            await alice.until(lambda: len(alice.got) == FLOW, "all messages")
            check(not bob.acknowledged and not bob.got, "the wire is not stalled")
            wire.cut()
            await bob.gone()
            await bob.resume()
            await both_have_all(alice, bob)

    play(story())


@case("slixmpp: the connection hangs half open; the client resumes on another, the old one is dropped")
def half_open(server):
    async def story():
        async with couple(server) as (alice, bob, wire):
            wire.stall()
            both_say(alice, bob)
            await alice.acknowledged_all()
            bob.transport.abort()
            await bob.gone()
            await bob.resume()
            check(wire.accepted == 2, wire.accepted, "connections")
            await both_have_all(alice, bob)

    play(story())


async def begin_anew(alice, bob):
    """Lets bob come back without a session to resume; what alice sent has waited for him. Both leave."""
    how = await bob.come_back()
    check(how == "started anew", how)
    bob.send_presence()
    await bob.has_all_of(alice)
    await bob.leave()
    await alice.leave()


@case("slixmpp: a client that closes its stream properly cannot resume, and its messages wait for its next login")
def closed(server):
    async def story():
        alice = await Steady(server, "alice", resource="island").login()
        bob = await Steady(server, "bob", resource="shore").login()
        alice.say(bob)
        await bob.until(lambda: bob.got, "a message")
        await bob.leave()
        alice.say(bob, 5)
        await alice.acknowledged_all()
        await begin_anew(alice, bob)

    play(story())


@case("slixmpp: a session expires; its messages wait for the next login, a question to it is answered with an error")
def expiry(shared):
    async def story(server):
        with Wire(server) as wire:
            alice, bob = await acquainted(server, wire)
            alice.say(bob)
            await bob.until(lambda: bob.got, "a message")
            wire.stall(CLIENT)
            question = asyncio.ensure_future(alice["xep_0199"].send_ping(bob.boundjid.full, timeout=WAIT))
            alice.say(bob, 5)
            await alice.acknowledged_all()
            wire.cut(refuse=True)
            await bob.gone()
            try:
                check(False, "an answer:", await question)
            except slixmpp.exceptions.IqError as error:
                check(error.condition in ("service-unavailable", "recipient-unavailable"), error.condition)
            await saw(alice, bob, "unavailable")
            wire.mend()
            await begin_anew(alice, bob)

    with Impatient(shared.program, shared.data.parent / "expiry") as server:
        play(story(server))


@case("kill -9: clients resume after the restart, connected and detached ones; nothing is missing or doubled")
def kill(shared):
    async def story(server, wires):
        alice, bob, carol = [
            await Steady(server, name, resource="desk", wire=wire).login()
            for name, wire in zip(server.people, wires)
        ]
        for _ in range(2):
            wires[2].cut(refuse=True)
            await carol.gone()
            before = len(alice.acknowledged)
            for _ in range(FLOW):
                for sender, receiver in ((alice, bob), (bob, alice), (alice, carol), (bob, carol)):
                    sender.say(receiver)
                await asyncio.sleep(0)
            await alice.until(lambda: len(alice.acknowledged) > before + FLOW // 4, "the middle of the traffic")
            server.kill()
            print(f"       killed with {len(alice.acknowledged) - before} of {2 * FLOW} acknowledged to alice")
            await alice.gone()
            await bob.gone()
            await asyncio.to_thread(server.start)
            wires[2].mend()
            for person in (alice, bob, carol):
                await person.resume()
            await carol.has_all_of(alice, bob)
            await bob.has_all_of(alice)
            await alice.has_all_of(bob)
            await alice.acknowledged_all()
            await bob.acknowledged_all()
        for person in (alice, bob, carol):
            await person.leave()

    with Trio(shared.program, shared.data.parent / "resume") as server, contextlib.ExitStack() as stack:
        play(story(server, [stack.enter_context(Wire(server)) for _ in server.people]))


@case("kill -9: what was acknowledged to the sender reaches a receiver who had no session, once, by login and by archive")
def kill_offline(shared):
    async def story(server):
        alice = await Steady(server, "alice", resource="desk").login()
        bob = Steady(server, "bob", resource="desk")
        alice.say(bob, FLOW)
        await alice.acknowledged_all()
        server.kill()
        await alice.gone()
        await asyncio.to_thread(server.start)
        await bob.login()
        await bob.until(lambda: len(bob.got) >= FLOW, "what was kept")
        kept = await archived(bob, alice)
        check(kept == alice.sent["bob"], "archive:", kept)
        await alice.resume()
        await bob.has_all_of(alice)
        await bob.leave()
        await alice.leave()

    with Eyot(shared.program, shared.data.parent / "resume-offline") as server:
        play(story(server))


class Trio(Eyot):
    """A server with three accounts."""

    people = ("alice", "bob", "carol")


async def archived(person, other):
    """Returns the texts of the archive with the other, in order, read page by page."""
    person.register_plugin("xep_0313")
    texts = []
    async for message in person["xep_0313"].iterate(with_jid=other.boundjid.bare, rsm={"max": 7}):
        texts.append(message["mam_result"]["forwarded"]["stanza"]["body"])
    return texts
