// Hosts that join a tunnel zone by themselves: which do, how they follow their addresses, and what
// they leave to the operator.  One host of a test has an agent, real and on a memory datapath, that
// looks when it registers; for the others the test looks, as an agent takes long to start.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { AutoJoin } from '../../src/agent/auto-join.ts'
import { defaultSettings, loadResources } from '../../src/agent/resources.ts'
import { silentLog } from '../../src/core/log.ts'
import { Appliance } from '../../src/main/appliance.ts'
import { eventually } from '../store/ground.ts'
import { call } from './fixture.ts'
import { post } from './system.ts'

const log = silentLog()

interface Member {
  readonly id: string
  readonly host: string
  readonly address: string
  readonly joinedBy?: string
}

describe('joining a tunnel zone', () => {
  let system: Appliance
  let url: string
  beforeEach(async () => {
    system = await Appliance.open({ plugins: await loadResources(), log })
    url = await system.listen({ host: '127.0.0.1', port: 0 })
  })
  afterEach(() => system.close())

  const zoneWith = (autoJoin?: object) =>
    post(`${url}/tunnel-zones`, { name: 'z', ...(autoJoin && { autoJoin }) })

  async function start(id: string, address: string): Promise<void> {
    const datapath = { kind: 'memory', address, interfaces: ['tap0'] } as const
    await system.startAgent({
      ...{ id, name: id, settings: defaultSettings(await loadResources()) },
      datapath: { ...datapath, flowsMax: 64, creditsPerPort: 8 }
    })
  }

  async function host(name: string, address: string): Promise<string> {
    const id = await post(`${url}/hosts`, { name })
    await start(id, address)
    return id
  }

  const members = async (): Promise<Member[]> =>
    (await call(`${url}/tunnel-zone-hosts`)).body as unknown as Member[]

  const addressesAre = (expected: Readonly<Record<string, string>>) =>
    eventually(async () => {
      const found = (await members()).map(({ host, address }) => [host, address])
      assert.deepEqual(Object.fromEntries(found), expected)
    })

  // So much later than all looks that were asked for: it has looked once more.
  const look = async (id: string): Promise<void> => system.agent(id)?.register()

  const bare = (name: string): Promise<string> => post(`${url}/hosts`, { name })

  const lookFor = (id: string, ...addresses: string[]): Promise<void> =>
    new AutoJoin(id, system.store, log).look([{ name: 'eth0', addresses }])

  test('HO-04 hosts with an address in the network, and those alone', async () => {
    await zoneWith({ network: '192.0.2.0/24' })
    const a = await host('a', '192.0.2.1')
    const [b, c] = [await bare('b'), await bare('c')]
    await lookFor(b, '192.0.2.2')
    await lookFor(c, '198.51.100.3')
    await addressesAre({ [a]: '192.0.2.1', [b]: '192.0.2.2' })
    await lookFor(c, '198.51.100.3')
    await addressesAre({ [a]: '192.0.2.1', [b]: '192.0.2.2' })
    for (const { address, joinedBy } of await members()) assert.equal(joinedBy, address)
  })

  test('hosts with an address on the interface; a zone may begin to let them', async () => {
    const zone = await zoneWith()
    const a = await host('a', '192.0.2.1')
    await look(a)
    assert.deepEqual(await members(), [])
    const set = (autoJoin: object) =>
      call(`${url}/tunnel-zones/${zone}`, 'PATCH', { autoJoin: { interface: null, ...autoJoin } })
    await set({ interface: 'tap0' })
    await look(a)
    assert.deepEqual(await members(), [], 'it has no address')
    await set({ interface: 'underlay' })
    await look(a)
    await addressesAre({ [a]: '192.0.2.1' })
  })

  test('HO-04 an entry follows its host, unless an operator has made or changed it', async () => {
    const zone = await zoneWith({ network: '192.0.2.0/24' })
    const [made, changed] = [await bare('made'), await bare('changed')]
    const entry = { zone, host: made, address: '192.0.2.77' }
    await post(`${url}/tunnel-zone-hosts`, entry)
    await lookFor(made, '192.0.2.3')
    await lookFor(changed, '192.0.2.2')
    const follows = await host('follows', '192.0.2.1')
    await addressesAre({ [made]: '192.0.2.77', [follows]: '192.0.2.1', [changed]: '192.0.2.2' })
    const { id } = (await members()).find(each => each.host === changed)!
    await call(`${url}/tunnel-zone-hosts/${id}`, 'PATCH', { address: '192.0.2.99' })
    const startAnew = async (address: string): Promise<void> => {
      await system.agent(follows)?.stop()
      await start(follows, address)
      await look(follows)
    }
    await startAnew('192.0.2.11')
    await lookFor(changed, '192.0.2.12')
    await lookFor(made, '192.0.2.13')
    const expected = { [made]: '192.0.2.77', [follows]: '192.0.2.11', [changed]: '192.0.2.99' }
    await addressesAre(expected)
    await startAnew('198.51.100.1')
    await lookFor(changed, '192.0.2.12')
    await lookFor(made, '192.0.2.13')
    await addressesAre(expected)
  })

  test('two that look at once make one entry; an address somebody has is not taken', async () => {
    await zoneWith({ network: '192.0.2.0/24' })
    const [a, b] = [await bare('a'), await bare('b')]
    const joining = (id: string) => lookFor(id, '127.0.0.1', '192.0.2.1', '192.0.2.2')
    await Promise.all(Array.from({ length: 8 }, () => joining(a)))
    await joining(b)
    await addressesAre({ [a]: '192.0.2.1' })
  })

  test('what it may be is said: one of interface and network, of IPv4', async () => {
    for (const [autoJoin, field] of [
      [{}, 'autoJoin'],
      [{ interface: 'eth0', network: '10.0.0.0/24' }, 'autoJoin'],
      [{ network: 'fd00::/64' }, 'autoJoin.network'],
      [{ network: '10.0.0.1/24' }, 'autoJoin.network'],
      [{ interface: 'a/b' }, 'autoJoin.interface'],
      [{ interface: 'eth0', metric: 1 }, 'autoJoin.metric'],
      ['eth0', 'autoJoin']
    ] as const) {
      const { status, body } = await call(`${url}/tunnel-zones`, 'POST', { name: 'z', autoJoin })
      assert.deepEqual([status, body.error?.faults[0]?.field], [400, field])
    }
    const entry = { zone: await zoneWith(), host: await post(`${url}/hosts`, { name: 'a' }) }
    const body = { ...entry, address: '10.0.0.1', joinedBy: '10.0.0.1' }
    assert.equal((await call(`${url}/tunnel-zone-hosts`, 'POST', body)).status, 400)
  })
})
