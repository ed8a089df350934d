// The exchange's contract: who is there, who has gone and who is back; what a session's end does
// to those who wait.

import assert from 'node:assert/strict'
import { describe } from 'node:test'
import type { ExchangeTest } from './exchange-contract.ts'
import { type ExchangeRig, type Host, holds, isTogether, OTHER_KEY } from './exchange-rig.ts'
import { record } from './records.ts'

// Without whatever real machines do to timers: a session's end, and then some.
const passLong = (rig: ExchangeRig): Promise<void> =>
  rig.pass(3 * (rig.settings.deadMs + rig.settings.heartbeatMs))

const isDead = (of: Host, by: Host): boolean => by.heard.last(of.word)?.host === false
function isAway(of: Host, by: Host): boolean {
  const last = by.heard.last(of.word)
  return last?.host === true && !last.agent
}

async function send(rig: ExchangeRig, to: Host, one: Int32Array): Promise<number> {
  const { exchange, heard } = rig.hosts[0]!
  exchange.share(one, 0, [to.word])
  const ticket = exchange.flush()
  if (ticket !== 0) await rig.until('the ticket is released', () => heard.tickets.has(ticket))
  return ticket
}

export const livenessTests = (test: ExchangeTest): unknown =>
  describe('liveness', () => {
    test('meeting is told once: the host is there, its agent too, it joined', 3, async rig => {
      await passLong(rig)
      for (const one of rig.hosts)
        for (const { word } of rig.hosts.filter(other => other !== one)) {
          const signs = one.heard.signs.filter(sign => sign.word === word)
          assert.deepEqual(signs, [{ word, host: true, agent: true }])
          assert.equal(one.heard.sessions.filter(joined => joined === word).length, 1)
        }
    })

    test('every tenth message lost is no death', 3, async rig => {
      for (const { heard } of rig.hosts) heard.signs.length = 0
      rig.faults({ drop: 0.1 })
      await rig.pass(2000)
      assert.deepEqual(
        rig.hosts.flatMap(({ heard }) => heard.signs),
        []
      )
    })

    test('a host that is cut off is dead, waited for by nobody, and back without a flap', 3, rig =>
      cutOff(rig)
    )

    test('an agent that has gone leaves a host whose kernel forwards', 2, async rig => {
      const [a, b] = rig.hosts as [Host, Host]
      rig.stop(1, 'forwards')
      await rig.until('the agent is away', () => isAway(b, a))
      a.heard.signs.length = 0
      await passLong(rig)
      assert.deepEqual(a.heard.signs, [])
      assert.ok(!a.exchange.isReady(b.word))
      rig.start(1)
      await rig.until('the agent is back', () => isTogether(rig.hosts))
      await rig.until('it is told', () => a.heard.signs.length > 0)
      assert.deepEqual(a.heard.signs, [{ word: b.word, host: true, agent: true }])
    })

    test('state for a peer that is not there is kept, and sent when it is', 2, async rig => {
      const [a, b] = rig.hosts as [Host, Host]
      rig.stop(1, 'gone')
      await rig.until('it is dead', () => isDead(b, a))
      const some = Array.from({ length: 50 }, (_, i) => record({ src: i }))
      for (const each of some) a.exchange.share(each, 0, [b.word])
      assert.equal(a.exchange.flush(), 0)
      assert.equal(a.exchange.pull(some[0]!, 0, [b.word]), 0)
      rig.start(1)
      await rig.until('all have arrived', () => some.every(each => holds(b, each)))
    })

    test('whoever waits for a peer that dies is released, pulls too', 3, async rig => {
      const [a, b, c] = rig.hosts as [Host, Host, Host]
      rig.cut(1, true)
      a.exchange.share(record(), 0, [b.word, c.word])
      const ticket = a.exchange.flush()
      const pull = a.exchange.pull(record({ src: 9 }), 0, [b.word])
      await rig.until('both are over', () => a.heard.tickets.has(ticket) && a.heard.pulls.has(pull))
      assert.equal(a.heard.pulls.get(pull), false)
      assert.ok(holds(c, record()))
      assert.equal(await send(rig, b, record({ src: 2 })), 0, 'it is not waited for twice')
      assert.notEqual(await send(rig, c, record({ src: 2 })), 0)
    })

    test('a restart is a new session: joined at both ends, and nothing old counts', 2, rig =>
      restarted(rig)
    )

    test('a peer that is no peer any more is not listened to', 2, async rig => {
      const [a, b] = rig.hosts as [Host, Host]
      a.exchange.setPeers([])
      assert.ok(!a.exchange.isReady(b.word))
      const before = a.exchange.counters()['refused-stranger']!
      await rig.until('it is a stranger', () => a.exchange.counters()['refused-stranger']! > before)
      await rig.until('it hears nothing', () => isDead(a, b) || isAway(a, b))
    })

    test('a key that all change is no break; whoever does not is dead', 3, async rig => {
      const [a, b, c] = rig.hosts as [Host, Host, Host]
      for (const { heard } of rig.hosts) heard.signs.length = 0
      for (const { exchange } of rig.hosts) exchange.setKey(OTHER_KEY)
      await passLong(rig)
      assert.deepEqual([...a.heard.signs, ...b.heard.signs, ...c.heard.signs], [])
      assert.notEqual(await send(rig, b, record()), 0)
      assert.ok(holds(b, record()))
      c.exchange.setKey(OTHER_KEY.map(byte => byte + 1))
      await rig.until('the agent is not believed', () => !a.exchange.isReady(c.word))
      assert.ok(a.exchange.counters()['refused-forged']! > 0)
      assert.ok(a.exchange.isReady(b.word))
    })
  })

async function cutOff(rig: ExchangeRig): Promise<void> {
  const [a, b, c] = rig.hosts as [Host, Host, Host]
  rig.cut(1, true)
  const others = [a, c]
  await rig.until('both notice', () => others.every(by => isDead(b, by)))
  assert.ok(others.every(({ exchange }) => !exchange.isReady(b.word)))
  assert.equal(await send(rig, b, record()), 0)
  assert.notEqual(await send(rig, c, record()), 0)
  for (const { heard } of rig.hosts) {
    heard.signs.length = 0
    heard.sessions.length = 0
  }
  await passLong(rig)
  rig.cut(1, false)
  await rig.until('it is back', () => isTogether(rig.hosts))
  await passLong(rig)
  for (const { heard } of others) {
    // Its kernel may answer a probe before its agent begins a session; then there is no way back.
    const signs = heard.signs.map(({ host, agent }) => (host ? (agent ? 'both' : 'host') : 'none'))
    assert.match(signs.join(), /^(?:host,)?both$/)
    assert.deepEqual(heard.sessions, [b.word])
  }
  assert.deepEqual(new Set(b.heard.sessions), new Set([a.word, c.word]))
  assert.ok(holds(b, record()), 'what was kept for it')
  assert.notEqual(await send(rig, b, record({ src: 3 })), 0)
}

async function restarted(rig: ExchangeRig): Promise<void> {
  const [a, b] = rig.hosts as [Host, Host]
  await send(rig, b, record({ src: 1 }))
  const old = [...rig.sent(0, 1)]
  a.heard.sessions.length = 0
  for (let i = 0; i < 3; i++) {
    rig.stop(1, 'forwards')
    rig.start(1)
    await rig.until('a has noticed', () => a.heard.sessions.length > i)
    await rig.until('both are together', () => isTogether(rig.hosts))
    assert.deepEqual(b.heard.sessions, [a.word])
  }
  for (const message of old) rig.inject(a.address, 1, message)
  const stale = () => b.exchange.counters()['refused-stale-epoch']!
  await rig.until('the old is stale', () => stale() > 0)
  const back = [...rig.sent(1, 0)]
  await send(rig, b, record({ src: 2 }))
  const refused = () =>
    a.exchange.counters()['refused-stale-epoch']! + a.exchange.counters()['refused-replayed']!
  const before = refused()
  for (const message of back) rig.inject(b.address, 0, message)
  await rig.until('what b once said is refused', () => refused() > before)
  await passLong(rig)
  assert.ok(!holds(b, record({ src: 1 })), 'an old message brought its record')
  assert.deepEqual(b.heard.sessions, [a.word], 'an old message began a session')
  assert.equal(a.heard.sessions.length, 3)
  assert.ok(isTogether(rig.hosts))
}
