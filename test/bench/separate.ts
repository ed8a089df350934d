// An agent in a process of its own, for figures of memory and idleness: the bare appliance, as
// `npm start -- --no-demo` runs it, in a namespace with two VMs.

import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { loadResources } from '../../src/agent/resources.ts'
import { SystemClock } from '../../src/core/clock.ts'
import type { Job } from '../../src/lab/index.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { create, type Net, type Pair, portRule } from './net.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export async function separateAgent(
  net: Net
): Promise<{ pair: Pair; job: Job; stop: () => Promise<void> }> {
  const host = await net.lab.host('sep')
  const addresses = ['10.9.1.1/24', '10.9.1.2/24']
  const a = await host.vm('sepa', { addresses: [addresses[0]!], linkLocal: false })
  const b = await host.vm('sepb', { addresses: [addresses[1]!], linkLocal: false })
  const path = `${net.lab.folder}/sep.db`
  await describe(path, host.name, [a.interface, b.interface])
  const set = (setting: string): string[] => ['--set', setting]
  const job = host.spawn([
    process.execPath,
    '--max-semi-space-size=2', // as package.json and the systemd unit do
    '--v8-pool-size=1',
    `${root}/src/main.ts`,
    '--no-demo',
    ...set(`store.path=${path}`),
    ...set(`host.name=${host.name}`),
    ...set('api.port=0'),
    ...set('datapath.pins='),
    ...set('log.level=info'),
    ...['--config', `${root}/config/appliance.json`]
  ])
  await job.waitFor(/ready/, 20_000)
  const stop = async (): Promise<void> => {
    job.signal('SIGTERM')
    await job.exited
  }
  return { pair: { a, b, to: '10.9.1.2' }, job, stop }
}

async function describe(path: string, name: string, interfaces: string[]): Promise<void> {
  const models = modelsOf(await loadResources())
  const store = await openSqliteStore({ path, models, clock: new SystemClock() })
  const [host, bridge] = [randomUUID(), randomUUID()]
  const rule = portRule()
  await store.write([
    ...rule.changes,
    create('host', { id: host, name }),
    create('bridge', { id: bridge }),
    ...interfaces.map(each =>
      create('port', {
        type: 'bridge',
        device: bridge,
        host,
        interface: each,
        inFilter: rule.chain
      })
    )
  ])
  await store.close()
}
