// The native exchange on real sockets: two or three hosts in this process, and a peer that says
// what it is told to.

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, test } from 'node:test'
import { keyHash, RECORD_WORDS } from '../../src/state/record.ts'
import {
  absence,
  addressOf,
  closeAll,
  Host,
  hosts,
  KEY,
  PORT,
  textOf,
  until
} from './native-hosts.ts'
import { keyA, keyB, record } from './records.ts'
import { changed, cut, met, Type } from './scripted-peer.ts'

const skip = absence()
afterEach(closeAll)
const options = { skip: skip ?? false }
const nth = (i: number): Int32Array => record({ src: i, ports: ((i & 0xffff) << 16) | 443 })

test('records are there, with their hashes, before the ticket is released', options, async () => {
  const [a, b, c] = (await hosts(3)) as [Host, Host, Host]
  const wanted = new Map<number, Int32Array>()
  const late: number[] = []
  a.onReleased = ticket => {
    for (const host of [b, c])
      if (host.table.find(keyA(wanted.get(ticket)!)) === 0) late.push(ticket)
  }
  for (let i = 1; i <= 200; i++) {
    a.exchange.share(nth(i), 0, [2, 3])
    const ticket = a.exchange.flush()
    assert.notEqual(ticket, 0)
    wanted.set(ticket, nth(i))
  }
  await until('all released', () => a.released.length === 200)
  assert.deepEqual(late, [])
  assert.deepEqual(new Set(a.released), new Set(wanted.keys()))
  await until('all told', () => b.imported.length === 400 && c.imported.length === 400)
  const hashes = new Set([...wanted.values()].flatMap(of => [keyHash(keyA(of)), keyHash(keyB(of))]))
  assert.deepEqual(new Set(b.imported), hashes)
  const into = new Int32Array(RECORD_WORDS)
  assert.ok(b.table.read(b.table.find(keyA(nth(7))) >>> 1, into))
  assert.deepEqual(into, nth(7))
})

test('a flush of many records fills messages, and one ticket waits for all', options, async () => {
  const [a, b] = (await hosts(2)) as [Host, Host]
  for (let i = 1; i <= 500; i++) a.exchange.share(nth(i), 0, [2])
  const ticket = a.exchange.flush()
  await until('released', () => a.released.length > 0)
  assert.deepEqual(a.released, [ticket])
  assert.equal(b.table.size, 500)
  assert.ok(a.count('sent-state') - a.count('retransmitted') < 500 / 16)
  assert.equal(a.exchange.flush(), 0)
  for (let i = 501; i <= 600; i++) a.exchange.refresh(nth(i), 0, 60_000, [2])
  await until('refreshed', () => b.table.size === 600)
  const idleMs = new Float64Array(600)
  assert.equal(b.table.scan(0, new Int32Array(600 * RECORD_WORDS), idleMs), 600)
  assert.ok(idleMs.filter(ms => ms >= 60_000).length === 100)
  assert.equal(a.count('held-now'), 0)
  for (const name of ['peers', 'hosts-alive', 'agents-alive']) assert.equal(a.count(name), 1)
})

for (const dropPerMille of [10, 100])
  test(`with ${dropPerMille} of 1000 datagrams lost`, options, async () => {
    const [a, b] = (await hosts(2, { dropPerMille })) as [Host, Host]
    const tickets: number[] = []
    for (let i = 1; i <= 400; i++) {
      a.exchange.share(nth(i), 0, [2])
      const ticket = a.exchange.flush()
      if (ticket !== 0) tickets.push(ticket)
      await until('a turn', () => true)
    }
    await until('all released', () => a.released.length === tickets.length)
    assert.deepEqual([...a.released].sort(), [...tickets].sort())
    await until('all records', () => b.table.size === 400)
    assert.ok(a.count('retransmitted') > 0)
    assert.ok(a.count('dropped') > 0)
    await until('nothing left', () => a.count('under-way-now') === 0)
  })

test('pulls, asks and tells', options, async () => {
  const [a, b, c] = (await hosts(3)) as [Host, Host, Host]
  const there = nth(5)
  c.table.put(there)
  const found = a.exchange.pull(keyB(there), 0, [2, 3])
  const missed = a.exchange.pull(keyA(nth(6)), 0, [2, 3])
  await until('answers', () => a.pulled.size === 2)
  assert.equal(a.pulled.get(found), true)
  assert.equal(a.pulled.get(missed), false)
  assert.notEqual(a.table.find(keyA(there)), 0)
  assert.equal(a.exchange.pull(keyA(there), 0, [9]), 0)
  const ports = Array.from({ length: 700 }, (_, i) => i + 1)
  b.exchange.ask(1, ports)
  b.exchange.tell(1, new Uint8Array())
  b.exchange.tell(1, KEY.subarray(1, 8))
  await until('news', () => a.told.length === 2 && a.asked.length === 3)
  assert.deepEqual(
    a.asked.flatMap(([, asked]) => asked),
    ports
  )
  assert.deepEqual(a.told, [
    [2, new Uint8Array()],
    [2, KEY.slice(1, 8)]
  ])
})

test(
  'a peer that starts again joins, and one that is gone is waited for once',
  options,
  async () => {
    const [a, b] = (await hosts(2)) as [Host, Host]
    assert.deepEqual(a.joined, [2])
    b.close()
    a.exchange.share(nth(1), 0, [2])
    const ticket = a.exchange.flush()
    assert.notEqual(ticket, 0)
    await until('released', () => a.released.includes(ticket))
    await until('reported', () => a.liveness.some(({ host, agent }) => !host && !agent))
    assert.equal(a.exchange.isReady(2), false)
    a.exchange.share(nth(2), 0, [2])
    assert.equal(a.exchange.flush(), 0)
    const again = new Host(2)
    again.meet(1)
    await until('joined', () => a.joined.length === 2 && again.exchange.isReady(1))
    assert.deepEqual(a.liveness.at(-1), { word: 2, host: true, agent: true })
    await until('what waited for it', () => again.table.find(keyA(nth(2))) !== 0)
    a.exchange.share(nth(3), 0, [2])
    const next = a.exchange.flush()
    await until('released again', () => a.released.includes(next))
    assert.equal(again.table.size, 2)
  }
)

test('a peer whose agent starts again before anybody notices joins anew', options, async () => {
  const [a, b] = (await hosts(2, { settings: { deadMs: 10_000 } })) as [Host, Host]
  b.close()
  const again = new Host(2)
  again.meet(1)
  await until('joined', () => a.joined.length === 2)
  await until('ready', () => again.exchange.isReady(1))
  assert.ok(a.liveness.every(({ host }) => host))
})

test('an address whose port is taken is tried again', options, async () => {
  const other = createSocket('udp4')
  other.bind(PORT, textOf(addressOf(1)))
  await once(other, 'listening')
  const [a, b] = [new Host(1), new Host(2)]
  a.meet(2)
  b.meet(1)
  await until('it cannot send', () => a.count('send-failed') > 0)
  assert.equal(a.exchange.isReady(2), false)
  other.close()
  await until('a session', () => a.exchange.isReady(2) && b.exchange.isReady(1))
})

describe('with a scripted peer', options, () => {
  test('what it sends has a good tag and its form', async () => {
    const [host, peer] = await met()
    for (let i = 1; i <= 40; i++) {
      for (let j = 0; j < i; j++) host.exchange.share(nth(i * 100 + j), 0, [2])
      host.exchange.flush()
    }
    await until('state', () => peer.of(Type.state).length >= 40)
    assert.ok(peer.heard.every(({ isGood }) => isGood))
    assert.ok(peer.heard.every(({ sender }) => sender === 1))
    assert.deepEqual(
      new Set(peer.of(Type.state).map(({ body }) => (body.length - 4) % 76)),
      new Set([0])
    )
  })

  test('what is no message of the session is refused by reason', async () => {
    const [host, peer] = await met()
    const refused = async (reason: string, bytes: Uint8Array): Promise<void> => {
      const before = host.count(`refused-${reason}`)
      peer.send(bytes)
      await until(reason, () => host.count(`refused-${reason}`) === before + 1)
    }
    const good = peer.message(Type.heartbeat)
    await refused('short', cut(good, 30))
    await refused('short', cut(good, 55))
    await refused('short', good.subarray(0, 40))
    await refused('short', changed(good, 7, 1))
    await refused('short', peer.message(Type.state, KEY))
    await refused('version', changed(good, 2, 2))
    await refused('version', changed(good, 3, 0x70))
    await refused('version', changed(good, 0, 1))
    await refused('stranger', changed(good, 11, 3))
    await refused('stranger', changed(good, 15, 3))
    for (const at of [3, 20, 28, 38, 41]) await refused('forged', changed(good, at, 1))
    await refused('stale-epoch', peer.message(Type.heartbeat, undefined, { own: 7n }))
    await refused('stale-epoch', peer.message(Type.heartbeat, undefined, { theirs: 7n }))
    const heard = host.count('received-heartbeat')
    peer.send(good)
    await until('the good one', () => host.count('received-heartbeat') > heard)
    await refused('replayed', good)
    assert.equal(host.table.size, 0)
    assert.deepEqual(host.joined, [2])
  })

  test('a session that is over cannot be played again', async () => {
    const [host, peer] = await met()
    const old = [peer.message(Type.heartbeat), peer.message(Type.tell, KEY)]
    peer.own = 99n
    await peer.greet()
    await until('joined again', () => host.joined.length === 2)
    for (const bytes of old) peer.send(bytes)
    await until('refusals', () => host.count('refused-stale-epoch') >= 2)
    assert.deepEqual([host.told.length, host.joined.length], [0, 2])
  })

  test('a tell that comes twice is told once, and acknowledged twice', async () => {
    const [host, peer] = await met()
    const body = Uint8Array.of(0, 0, 0, 1, 5)
    peer.say(Type.tell, body)
    peer.say(Type.tell, body)
    const acknowledged = (): number =>
      peer.of(Type.acknowledgement).reduce((sum, { body: of }) => sum + of.length / 8, 0)
    await until('acknowledgements', () => acknowledged() === 2)
    await until('told', () => host.told.length > 0)
    peer.say(Type.tell, Uint8Array.of(0, 0, 0, 2, 6))
    await until('told the next', () => host.told.length > 1)
    assert.deepEqual(host.told, [
      [2, Uint8Array.of(5)],
      [2, Uint8Array.of(6)]
    ])
  })

  test('a host whose kernel sends probes back is there, though its agent is away', async () => {
    const [host, peer] = await met({ deadMs: 200 })
    peer.reflects = true
    // On a busy machine the peer may reflect too late, and be there again when it does.
    const isThere = (): boolean => host.liveness.at(-1)?.host === true
    await until('away', () => host.liveness.at(-1)?.agent === false && isThere())
    await until('probes', () => host.count('received-probe') > 5 && isThere())
    peer.reflects = false
    await until('dead', () => host.liveness.at(-1)?.host === false)
    const [first, ...after] = host.liveness
    assert.deepEqual(first, { word: 2, host: true, agent: true })
    assert.ok(after.every(({ agent }) => !agent))
  })

  test('whoever acknowledges nothing is waited for once', async () => {
    // What is kept is given up after some bounds: the peer's word comes before that.
    const [host, peer] = await met({ holdMs: 400 })
    host.exchange.share(nth(1), 0, [2])
    const ticket = host.exchange.flush()
    await until('released', () => host.released.includes(ticket))
    assert.equal(host.count('bound-passed'), 1)
    host.exchange.share(nth(2), 0, [2])
    assert.equal(host.exchange.flush(), 0)
    const sequence = new Uint8Array(8)
    new DataView(sequence.buffer).setBigUint64(0, BigInt(peer.of(Type.state).at(-1)!.sequence))
    peer.say(Type.acknowledgement, sequence)
    await until('acknowledged', () => host.count('acknowledged') === 1)
    host.exchange.share(nth(3), 0, [2])
    assert.notEqual(host.exchange.flush(), 0)
    await until('given up', () => host.count('given-up') === 2)
  })
})
