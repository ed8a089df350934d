// The API over a whole appliance with one real agent, on a memory datapath.

import assert from 'node:assert/strict'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { silentLog } from '../../src/core/log.ts'
import { Appliance, type HostOptions } from '../../src/main/appliance.ts'
import { call } from './fixture.ts'

export const HOST = '3c7d2c52-6a5c-4b33-8b06-8c6f6f0b1a01'

export interface ServedSystem {
  readonly system: Appliance
  readonly url: string
  /** An agent again, after it was stopped. */
  readonly start: () => Promise<unknown>
}

type Kept = Pick<HostOptions, 'state' | 'stateStore'>

export async function openSystem(
  interfaces: readonly string[],
  kept: Kept = {}
): Promise<ServedSystem> {
  const plugins = await loadResources()
  const system = await Appliance.open({ storePath: ':memory:', plugins, log: silentLog() })
  await system.store.write([{ op: 'create', kind: 'host', value: { id: HOST, name: 'compute1' } }])
  const datapath = { kind: 'memory', address: '192.0.2.1', interfaces } as const
  const start = () =>
    system.startAgent({
      id: HOST,
      name: 'compute1',
      settings: defaultSettings(plugins),
      datapath: { ...datapath, flowsMax: 64, creditsPerPort: 8 },
      ...kept
    })
  await start()
  return { system, start, url: await system.listen({ host: '127.0.0.1', port: 0 }) }
}

/** Makes an object; gives its id. */
export async function post(url: string, body: unknown): Promise<string> {
  const answer = await call(url, 'POST', body)
  assert.equal(answer.status, 201, JSON.stringify(answer.body))
  return answer.body.id
}
