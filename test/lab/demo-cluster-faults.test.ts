// `npm start -- --cluster` and commands for it: servers, a controller, gateways and routers outside
// die and come back, a cable is cut, a gateway drained.  No connection is lost, and what makes no
// sense is refused.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingForUplinks } from '../../src/demo/cluster/upstream-beyond.ts'
import type { Report } from '../../src/demo/report/report.ts'
import { until } from '../../src/lab/index.ts'
import { missingForNode } from '../../src/lab/services/cassandra.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import { assertNothingLeft, LIMIT_MS, mezzo, skip, start } from './fixtures/demo.ts'

const missing = missingForServer() ?? missingForNode() ?? missingForUplinks()
const reason = skip || (missing ?? false)
const timeout = LIMIT_MS + 10_000

const commands: [string[], number, RegExp][] = [
  [['kill', 'nobody'], 1, /host is "nobody"; expected one of gateway1, .*zookeeper1, .*leader/],
  [['stop', 'cassandra'], 1, /host is "cassandra"; expected one of zookeeper/],
  [['restore', 'cassandra'], 1, /expected one that is dead/],
  [['drain', 'gateway1'], 0, /gateway1 is drained/],
  [['drain', 'gateway1'], 1, /expected a gateway that is not drained/],
  [['kill', 'gateway2'], 1, /leaves a way out; gone: drained gateway1/],
  [['undrain', 'gateway1'], 0, /gateway1 takes traffic from outside again/],
  [['cut', 'gateway1', 'r3'], 1, /upstream is "r3"; expected one of r1, r2/],
  [['cut', 'gateway1', 'r1'], 0, /the cable between gateway1 and r1 is cut/],
  [['kill', 'r2'], 0, /r2 is dead/],
  [['kill', 'gateway2'], 1, /leaves a way out; gone: cut gateway1 r1, dead r2/],
  [['mend', 'gateway1', 'r1'], 0, /the cable between gateway1 and r1 is whole/],
  [['restore', 'r2'], 0, /r2 is back/],
  [['kill', 'zookeeper1'], 0, /zookeeper1 is dead/],
  [['kill', 'zookeeper1'], 1, /expected one that is alive/],
  [['kill', 'cassandra'], 0, /cassandra is dead/],
  [['restart', 'compute1'], 0, /crashed and runs again/],
  [['restore', 'cassandra'], 0, /cassandra is back/],
  [['restore', 'zookeeper1'], 0, /zookeeper1 is back/],
  [['kill', 'controller'], 0, /controller is dead/],
  [['restart', 'compute2'], 0, /crashed and runs again/],
  [['stop', 'zookeeper'], 0, /zookeeper1, zookeeper2, zookeeper3 are dead/],
  [['kill', 'gateway1'], 0, /gateway1 is dead/],
  [['restore', 'zookeeper'], 0, /zookeeper1, zookeeper2, zookeeper3 are back/],
  [['restore', 'controller'], 0, /controller is back/],
  [['restore', 'gateway1'], 0, /gateway1 is back/],
  [['move', 'vm2', 'compute1'], 0, /red-web2 has moved from compute2 to compute1/]
]

test('whatever is killed by command, connections live', { skip: reason, timeout }, async t => {
  const demo = start('--cluster', '--set', 'api.port=0')
  t.after(() => demo.child.kill('SIGINT'))
  const table = (): boolean => /Ctrl-C/.test(demo.printed()) || demo.child.exitCode !== null
  await until('the table', table, LIMIT_MS)
  const url = /API {2}(\S+)/.exec(demo.printed())?.[1]
  assert.ok(url !== undefined, demo.complained())
  await answersForAll(url)
  for (const [words, status, text] of commands) {
    const begunMs = performance.now()
    const wish: Promise<Answer> = status === 0 ? mezzo(url, 'demo', ...words) : refused(url, words)
    const done = await wish
    t.diagnostic(`${words.join(' ')}: ${((performance.now() - begunMs) / 1000).toFixed(1)} s`)
    assert.deepEqual([words, done.status], [words, status], done.output + demo.complained())
    assert.match(done.output, text)
    if (words[0] === 'stop' && status === 0)
      await until('the table tells that the store is away', async () => {
        const { hosts } = (await (await fetch(`${url}/demo`)).json()) as Report
        return hosts.every(host => host.store_away_ms > 0)
      })
    if (words.join(' ') !== 'kill controller') continue
    const dead = await mezzo(url, 'bridge', 'list')
    assert.match(dead.output, /the controller does not answer; .* restore controller/)
  }
  const whole = async () => {
    const { connections } = (await (await fetch(`${url}/demo`)).json()) as Report
    return connections.every(({ alive, total, resets }) => alive === total && resets === 0)
  }
  await until('every connection lives', whole, LIMIT_MS)
  assert.match((await mezzo(url, 'bridge', 'list')).output, /red-web/)
  demo.child.kill('SIGINT')
  assert.equal((await demo.ended).status, 0)
  assertNothingLeft()
})

type Answer = Awaited<ReturnType<typeof mezzo>>

// A wish that is refused, without the command line, which takes seconds on a busy machine.
async function refused(url: string, [verb, host, upstream]: readonly string[]): Promise<Answer> {
  const body = JSON.stringify({ host, upstream })
  const headers = { 'content-type': 'application/json' }
  const answer = await fetch(`${url}/demo/${verb}`, { method: 'POST', headers, body })
  const { error } = (await answer.json()) as { error?: { message: string } }
  return { status: answer.ok ? 0 : 1, output: error?.message ?? '' }
}

// The controller has no agent; what it tells of hosts it has asked them.
async function answersForAll(url: string): Promise<void> {
  for (const host of ['compute1', 'compute2', 'gateway1', 'gateway2']) {
    const flows = await mezzo(url, 'flow', 'list', host)
    assert.deepEqual([flows.status, /output|tunnel/.test(flows.output)], [0, true], flows.output)
    const state = await mezzo(url, 'state', 'list', host)
    assert.deepEqual([state.status, /tcp/.test(state.output)], [0, true], state.output)
    const interfaces = await mezzo(url, 'host', 'interfaces', host)
    assert.equal(interfaces.status, 0, interfaces.output)
  }
  const list = await mezzo(url, 'host', 'list')
  assert.equal([...list.output.matchAll(/(compute|gateway)\d +true/g)].length, 4, list.output)
}
