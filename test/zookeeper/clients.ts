// Clients for the tests, closed at the end whatever has become of them.

import assert from 'node:assert/strict'
import { SystemClock, sleep } from '../../src/core/clock.ts'
import { SystemRandom } from '../../src/core/random.ts'
import { ZooKeeper, type ZooKeeperOptions } from '../../src/topology/zookeeper/client/client.ts'
import { isZooKeeperError, type ZooKeeperCode } from '../../src/topology/zookeeper/client/errors.ts'

export const clock = new SystemClock()
const PATIENCE_MS = 60_000 // for what never comes
const CALM_MS = 30_000 // no busy machine is silent for so long
const open = new Set<ZooKeeper>()

export function clientOf(
  servers: ZooKeeperOptions['servers'],
  options: Partial<ZooKeeperOptions> = {}
): ZooKeeper {
  const base = { servers, sessionMs: CALM_MS, operationMs: CALM_MS, chroot: '' }
  const client = new ZooKeeper({ ...base, clock, random: new SystemRandom(), ...options })
  open.add(client)
  return client
}

export async function closeClients(): Promise<void> {
  await Promise.all([...open].map(client => client.close()))
  open.clear()
}

export async function ready(client: ZooKeeper): Promise<ZooKeeper> {
  assert.ok(await client.ready(PATIENCE_MS), `no connection: ${client.fault}`)
  return client
}

export async function refusedWith(
  attempt: Promise<unknown>,
  code: ZooKeeperCode,
  words = /./
): Promise<void> {
  await assert.rejects(attempt, error => {
    assert.ok(isZooKeeperError(error, code), `${code} expected, got ${error}`)
    assert.match(error.message, words)
    return true
  })
}

export async function eventually(check: () => unknown, patienceMs = PATIENCE_MS): Promise<void> {
  const until = clock.now() + patienceMs
  for (;;) {
    try {
      await check()
      return
    } catch (error) {
      if (clock.now() > until) throw error
      await sleep(clock, 10)
    }
  }
}
