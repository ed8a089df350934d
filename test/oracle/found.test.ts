// Plans that seeds of the oracle of stateful hosts have found, shrunk (found/*.json): each is a
// fault that was mended, and is played again as it stands.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { statefulHostsOracle } from './oracle.ts'
import type { Plan } from './plan.ts'

// What each has found.
const FAULTS: Readonly<Record<string, string>> = {
  // The other hosts keep the older opening until its time is over (a fault of the check).
  'stateful-hosts-2004': 'what was flooded is opened again by a way that is known by then',
  // Its use was told to nobody while it was being loaded who shares the ports.
  'stateful-hosts-2005': "an answer that the opener's port refuses",
  // Packets have left by a port that the record does not name, on a third host, and the flow that
  // said so went when a router was turned off: the record stays until it is idle (of the check).
  'stateful-hosts-4005': 'who was on the way, and is no more, holds the record',
  'stateful-hosts-4010': 'who was on the way of answers, and is no more, holds the record',
  // They went on at the next tick of their agent, together or not: one that began anew ticks at
  // other times, and routers ask once for those that come together.
  'stateful-hosts-4006': 'fragments that gave their first up',
  // Where all devices were loaded it asked for a neighbour at once, elsewhere 2 s later.
  'stateful-hosts-4007': 'a later fragment whose walk would have had to guess',
  // Answers were looked for where the last of the devices was that it had left by.
  'stateful-hosts-7202': 'an answer to what was flooded by two bridges',
  // The host that it leaves by hears of the connection, and holds it (a fault of the check).
  'stateful-hosts-90002': 'an answer that a route sends to another than the opener'
}

const folder = join(import.meta.dirname, 'found')

test('each plan says what it has found', () => {
  assert.deepEqual(
    readdirSync(folder).sort(),
    Object.keys(FAULTS)
      .map(name => `${name}.json`)
      .sort()
  )
})

for (const [name, what] of Object.entries(FAULTS))
  test(`D1: ${name}: ${what}`, () => {
    const plan = JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Plan
    assert.equal(statefulHostsOracle()(plan), undefined)
  })
