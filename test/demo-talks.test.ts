// The small TCP of the demo without a kernel, beside a way that leads one connection to two servers
// while hosts come and go: the connection is with the server who is answered.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../src/core/clock.ts'
import { MemoryTalks } from '../src/demo/memory/memory-talks.ts'
import { talks } from '../src/demo/plan/talks.ts'
import type { MemoryVm } from '../src/lab/index.ts'
import type { Segment } from '../src/lab/memory/memory-listener.ts'
import { Flag } from '../src/wire/tcp.ts'

const LOST = 'first-member'
const HELD = 'second-member'
const SERVER_PORT = 9000

/** Each talk's connections ask both members, and everything later comes to the second. */
function ground() {
  const clock = new VirtualClock()
  const all = new MemoryTalks(
    clock,
    name => ({ segment: (sent: Segment) => carry(name, sent) }) as unknown as MemoryVm
  )
  const carry = (from: string, sent: Segment): void => {
    const client = talks.find(each => each.from === from)?.from
    if (client === undefined) {
      // What a server that nobody knows says comes to nobody.
      if (from === HELD) clock.soon(() => all.received(nodes.get(sent.toPort)!, turned(sent)))
      return
    }
    nodes.set(sent.fromPort, client)
    ways.set(sent.fromPort, sent)
    const inside = { ...sent, toPort: SERVER_PORT }
    const isAsking = (sent.flags & Flag.syn) !== 0
    for (const member of isAsking ? [HELD, LOST] : [HELD])
      clock.soon(() => all.received(member, inside))
  }
  // As the load balancer does: the client has spoken with the VIP.
  const turned = (sent: Segment): Segment => {
    const { to, toPort } = ways.get(sent.toPort)!
    return { ...sent, from: to, fromPort: toPort }
  }
  const nodes = new Map<number, string>()
  const ways = new Map<number, Segment>()
  return { clock, all }
}

test('a connection that two servers were asked for is with the one who is answered', async () => {
  const { clock, all } = ground()
  void all.open().catch(() => {})
  for (let i = 0; i < 100; i++) {
    clock.advance(20)
    await Promise.resolve()
  }
  for (const talk of talks)
    for (const { fault, bytes, isReset } of await all.read(talk)) {
      assert.deepEqual([fault, isReset], [undefined, false], `${talk.of}, ${talk.speaks} speaks`)
      assert.ok(bytes > 0)
    }
  all.close()
})
