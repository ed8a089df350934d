// Port security by the API and the command line: what is taken, what is refused and how, and what
// new ports get.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { command } from '../../src/api/cli/command.ts'
import { call, openSystem, type System } from './fixture.ts'
import { create } from './samples.ts'

const MAC = '02:00:00:00:00:0a'

describe('C7: the fields of port security', () => {
  let system: System
  let bridge: string
  let router: string
  before(async () => {
    system = await openSystem()
    bridge = await create(system, '/bridges', { name: 'br' })
    router = await create(system, '/routers', { name: 'r' })
  })
  after(() => system.close())

  const make = (fields: Record<string, unknown>, device = bridge) =>
    call(`${system.url}/ports`, 'POST', { device, ...fields })

  test('are taken, shown, changed and taken away', async () => {
    const allowedAddresses = [
      { mac: MAC, ips: ['10.0.0.5', '10.0.1.0/24', 'fd00::5', 'fd00:1::/64', '0.0.0.0/0', '::/0'] },
      { mac: '02:00:00:00:00:0b' }
    ]
    const made = await make({ allowedAddresses, allowedServices: ['dhcp', 'ra'] })
    assert.equal(made.status, 201, JSON.stringify(made.body))
    assert.deepEqual(made.body.allowedAddresses, allowedAddresses)
    const at = `${system.url}/ports/${made.body.id}`
    const changed = await call(at, 'PATCH', { allowedAddresses: [], allowedServices: null })
    assert.deepEqual([changed.body.allowedAddresses, changed.body.allowedServices], [[], undefined])
    const open = await call(at, 'PATCH', { allowedAddresses: null })
    assert.equal(open.body.allowedAddresses, undefined)
  })

  test('are absent from a port whose body does not name them', async () => {
    const made = await make({})
    assert.deepEqual(
      [made.body.allowedAddresses, made.body.allowedServices],
      [undefined, undefined]
    )
  })

  const pair = (fields: Record<string, unknown>) => ({ allowedAddresses: [fields] })
  for (const [what, given, field] of [
    ['a group as MAC', pair({ mac: '01:00:5e:00:00:01' }), 'allowedAddresses[0].mac'],
    ['the broadcast address as MAC', pair({ mac: 'ff:ff:ff:ff:ff:ff' }), 'allowedAddresses[0].mac'],
    ['no MAC at all', pair({ mac: '00:00:00:00:00:00' }), 'allowedAddresses[0].mac'],
    ['a pair without a MAC', pair({ ips: ['10.0.0.5'] }), 'allowedAddresses[0].mac'],
    ['what is no MAC', pair({ mac: 'x' }), 'allowedAddresses[0].mac'],
    ['what is no address', pair({ mac: MAC, ips: ['10.0.0'] }), 'allowedAddresses[0].ips[0]'],
    ['host bits', pair({ mac: MAC, ips: ['10.0.0.5/24'] }), 'allowedAddresses[0].ips[0]'],
    [
      'an IPv4 group',
      pair({ mac: MAC, ips: ['10.0.0.5', '224.0.0.1'] }),
      'allowedAddresses[0].ips[1]'
    ],
    ['an IPv6 group', pair({ mac: MAC, ips: ['ff02::1'] }), 'allowedAddresses[0].ips[0]'],
    [
      'the broadcast address',
      pair({ mac: MAC, ips: ['255.255.255.255'] }),
      'allowedAddresses[0].ips[0]'
    ],
    ['nobody', pair({ mac: MAC, ips: ['0.0.0.0'] }), 'allowedAddresses[0].ips[0]'],
    ['nobody of IPv6', pair({ mac: MAC, ips: ['::'] }), 'allowedAddresses[0].ips[0]'],
    ['another field', pair({ mac: MAC, ip: '10.0.0.5' }), 'allowedAddresses[0].ip'],
    ['an unknown service', { allowedServices: ['dns'] }, 'allowedServices[0]'],
    ['a service twice', { allowedServices: ['ra', 'ra'] }, 'allowedServices'],
    ['more than 64', { allowedAddresses: Array(65).fill({ mac: MAC }) }, 'allowedAddresses']
  ] as const)
    test(`refuse ${what}, by name`, async () => {
      const { status, body } = await make({ ...given })
      assert.equal(status, 400, JSON.stringify(body))
      assert.equal(body.error.faults[0]?.field, field)
      assert.ok(body.error.faults[0]?.expected)
    })

  test('are of bridge ports only', async () => {
    for (const field of ['allowedAddresses', 'allowedServices']) {
      const { status, body } = await make({ [field]: [] }, router)
      assert.deepEqual([status, body.error.faults[0]?.field], [400, field])
    }
  })

  test('by the command line', async () => {
    let said = ''
    const run = (...words: string[]) =>
      command(words, {
        api: system.url,
        say: text => (said += `${text}\n`),
        complain: text => assert.fail(text)
      })
    await run('port', 'create', 'device=br', 'name=vm1', 'allowedServices=dhcp,ra')
    const pairs = [{ mac: MAC, ips: ['10.0.0.5', 'fd00::5'] }]
    await run('port', 'set', 'vm1', `allowedAddresses=${JSON.stringify(pairs)}`)
    said = ''
    await run('port', 'show', 'vm1', '--json')
    const shown = JSON.parse(said) as Record<string, unknown>
    assert.deepEqual(shown.allowedAddresses, pairs)
    assert.deepEqual(shown.allowedServices, ['dhcp', 'ra'])
    said = ''
    await run('port', 'show', 'vm1')
    assert.match(said, /02:00:00:00:00:0a/)
  })
})

describe('C7: new ports', () => {
  for (const [newPorts, expected] of [
    [undefined, {}],
    ['off', {}],
    ['services', { allowedServices: [] }],
    ['addresses', { allowedAddresses: [] }]
  ] as const)
    test(`with ports.security ${newPorts ?? 'absent'}`, async () => {
      const system = await openSystem({ newPorts })
      try {
        const bridge = await create(system, '/bridges', {})
        const router = await create(system, '/routers', {})
        const made = async (path: string, body: object) => {
          const { body: port } = await call(`${system.url}${path}`, 'POST', body)
          const { allowedAddresses, allowedServices } = port
          return JSON.parse(JSON.stringify({ allowedAddresses, allowedServices })) as object
        }
        assert.deepEqual(await made('/ports', { device: bridge }), expected)
        assert.deepEqual(await made(`/bridges/${bridge}/ports`, {}), expected)
        assert.deepEqual(await made('/ports', { device: router }), {})
        const named = { allowedAddresses: [{ mac: MAC }] }
        assert.deepEqual(await made('/ports', { device: bridge, ...named }), named)
        const services = { allowedServices: ['ra'] }
        assert.deepEqual(await made('/ports', { device: bridge, ...services }), services)
      } finally {
        await system.close()
      }
    })
})
