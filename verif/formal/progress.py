"""Speculation never stands still: something happens after finitely many moves, whatever the world stalls."""

from amaranth.hdl import Cat, Const, Mux, Signal, Value

from .world import FINISH, PROMPT, Size, World


def progress(world: World, patience: int) -> None:
    """Something happens, that is a token of a prompt is taken or one is decided, after finitely many moves.

    `rank` bounds their number. Every move but one that happens lowers it. In every clock there is a move that the
    solver can only put off, or that comes by itself; and it can be made until the rank falls or something happens.
    With `patience` no stall lasts longer than so many clocks, and then it happens in time.
    """
    m, c, dut, ahead, most = world.m, world.c, world.dut, world.size.ahead, _most(world.size)
    state, swallow = world.inside.register("fsm_state"), world.inside("swallow")
    happens = world.decided | dut.prompt.valid & dut.prompt.ready
    token = 7  # more than both pipelines hold of a token that was issued just now
    moves: dict[str, Value] = {"listens": dut.out.valid}
    rank = dut.out.valid + (state == FINISH) + world.waiting * token + (ahead - world.recorded) * token
    for path in (world.target, world.draft):
        weights = [1, *[2] * path.capacity, 3]
        rank = rank + sum((s.valid * weight for s, weight in zip(path.slots, weights, strict=True)), Const(0))
        moves[f"{path.name}_takes"] = path.x.valid & (path.count != path.capacity)
        moves[f"{path.name}_moves"] = (path.count != 0) & path.gate.x.ready
    empty = ~dut.issue.valid & ~dut.draft_issue.valid
    stale = world.draft.ghost.stale
    moves["draft_chooses"] = world.draft.full & (stale | empty & ~world.waiting)
    moves["target_chooses"] = world.target.full & (~dut.verify | (world.level != 0)) & ~dut.out.valid & ~world.waiting
    moves["prompt_comes"] = (state == PROMPT) & empty | swallow
    itself = world.waiting & empty | (state == FINISH) & ~dut.out.valid & ~swallow

    now = Signal(range(most + 1), name="rank")
    m.d.comb += now.eq(rank)
    falls, happened = now < c.past(now), c.past(happens) | ~c.past(Const(1), init=0)
    c.always("rank is bounded", rank <= most)
    c.always("rank does not rise", happened | (now <= c.past(now)))
    c.always("there is a move", itself | Cat(moves.values()).any())
    c.always("what comes by itself", ~c.past(itself, init=0) | happened | falls)
    for name, can in moves.items():
        stalled = world.stalls[name]
        c.always(f"{name} if not stalled", ~c.past(can & ~stalled, init=0) | happened | falls)
        c.always(f"{name} later", ~c.past(can & stalled, init=0) | happened | falls | can)
    if patience:
        _in_time(world, patience, moves, now, happened, falls)


def _in_time(world: World, patience: int, moves: dict[str, Value], rank: Value, happened: Value, falls: Value) -> None:
    """Something happens within `(patience + 1) * (most + 1)` clocks.

    still: for how many clocks the rank has not fallen; some move has been put off in all of them.
    """
    m, c, most = world.m, world.c, _most(world.size)
    limit = (patience + 1) * (most + 1)
    still, since = Signal(range(patience + 2)), Signal(range(limit + 1))
    m.d.comb += [
        still.eq(Mux(happened | falls, 0, c.past(still) + 1)),
        since.eq(Mux(happened, 0, c.past(since) + 1)),
    ]
    put_off = []
    for name, stalled in world.stalls.items():
        waited = Signal(range(patience + 1), name=f"{name}_waited")
        m.d.sync += waited.eq(Mux(stalled, waited + 1, 0))
        c.assume(~stalled | (waited != patience))
        c.always(f"{name} waits no longer", waited <= patience)
        put_off += [moves[name] & (waited >= still)]
    c.always("a move is put off", (still == 0) | Cat(put_off).any())
    c.always("the rank falls in time", since <= (patience + 1) * (most - rank) + still)
    c.always("something happens in time", since < limit)


def _most(size: Size) -> int:
    """The largest rank."""
    return 2 + 7 * (size.ahead + 1) + sum(4 + 2 * capacity for capacity in size.capacity)
