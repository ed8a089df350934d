// What an agent finds of its flow state when it starts again: all that is still alive, from its
// journal.  Here because it waits for seconds.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Value } from 'typebox/value'
import { SystemClock, sleep } from '../../src/core/clock.ts'
import { stateSectionOf } from '../../src/main/state-settings.ts'
import { TIMEOUTS_DEFAULT } from '../../src/state/timeouts.ts'
import { eth } from '../../src/wire/builder.ts'
import { call } from '../api/fixture.ts'
import { HOST, openSystem, post } from '../api/system.ts'
import { eventually } from '../store/ground.ts'

const A = '02:00:00:00:00:0a'
const B = '02:00:00:00:00:0b'
const SHORT_S = 2

const packet = () => eth(A, B).ipv4('10.0.1.5', '10.0.1.6')
// Of a connection that lives as long as a minute without another packet, and of one that does not.
const long = packet().tcp(7000, 53, { flags: 'S' }).frame()
const stateSection = stateSectionOf([])
const short = packet().udp(7000, 53).frame()

test('ST-03, ST-04 a restart finds what is alive, and nothing else', {
  timeout: 120_000
}, async t => {
  const path = mkdtempSync(join(tmpdir(), 'mezzo-storage-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  const settings = Value.Default(stateSection, { store: { path } })
  assert.ok(Value.Check(stateSection, settings))
  const timeouts = { ...TIMEOUTS_DEFAULT, udpOneWayS: SHORT_S }
  const { system, url, start } = await openSystem(['tap0', 'tap1'], {
    state: { timeouts },
    stateStore: settings.store
  })
  t.after(() => system.close())
  const bridge = await post(`${url}/bridges`, { name: 'b' })
  const chain = await post(`${url}/chains`, { name: 'watch' })
  await post(`${url}/rules`, { chain, action: 'accept', matchForwardFlow: true })
  for (const name of ['tap0', 'tap1']) {
    const port = await post(`${url}/bridges/${bridge}/ports`, { inFilter: chain })
    await call(`${url}/ports/${port}/binding`, 'PUT', { host: HOST, interface: name })
  }
  const ready = () =>
    eventually(async () => {
      const { bound, dryRuns } = await system.agent(HOST)!.status()
      assert.deepEqual([bound, dryRuns], [2, 0])
    })
  const state = async (): Promise<string[]> => {
    const { body } = await call(`${url}/hosts/${HOST}/state`)
    return (body as unknown as { text: string }[]).map(({ text }) => text)
  }
  const restart = async (pauseMs: number) => {
    await system.agent(HOST)!.stop()
    await sleep(new SystemClock(), pauseMs)
    await start()
    await ready()
  }
  await ready()
  const connection = (protocol: string): string =>
    `connection ${protocol} 10.0.1.5:7000 > 10.0.1.6:53 | 10.0.1.6:53 > 10.0.1.5:7000`
  const [lasting, passing] = [connection('tcp'), connection('udp')]
  const found = async (wanted: string): Promise<void> => {
    const there = await state()
    assert.ok(there.includes(wanted), `${wanted} in ${there}`)
  }
  const opened = (frame: Uint8Array, wanted: string) =>
    eventually(async () => {
      system.agent(HOST)!.input('tap0', frame) // again, for it may be over by now
      await found(wanted)
    })
  await opened(long, lasting)
  await restart(0)
  await eventually(() => found(lasting))
  await opened(short, passing)
  await restart((SHORT_S + 1) * 1000)
  await eventually(() => found(lasting))
  assert.deepEqual(await state(), [lasting])
  await opened(short, passing)
})
