// Bindings that make no sense, through the API of a running appliance: each refusal names field,
// value and expectation and changes nothing, and an interface that comes later is taken then.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { until, type Vm } from '../../src/lab/index.ts'
import { allReceived, type Device, Network, reaches, reachesNot } from './fixtures/index.ts'

const skip = Network.skip()

interface Answer {
  readonly status: number
  readonly body: Record<string, unknown>
}

describe('bindings through the API', { skip }, () => {
  let net: Network
  let red: Device
  let url: string
  let a: Vm

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-bad-input', hosts: ['one', 'two'] })
    red = await net.bridge('red')
    a = await net.vm('a', { on: 'one', at: red, addresses: ['10.0.1.1/24'] })
    await net.start()
    url = await net.appliance.listen({ host: '127.0.0.1', port: 0 })
  })

  after(() => net?.close())

  async function ask(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    })
    const text = await response.text()
    return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
  }

  const freePort = (): Promise<string> => net.create('port', { type: 'bridge', device: red.id })

  /** Refused with this status, for this field and value; the port stays as it was. */
  async function refused(
    port: string,
    body: Record<string, unknown>,
    status: number,
    field: string
  ) {
    const before = await net.appliance.store.read('port', port)
    const answer = await ask('PUT', `/ports/${port}/binding`, body)
    const text = JSON.stringify(answer.body)
    assert.equal(answer.status, status, text)
    assert.ok(text.includes(`"${field}"`), `${text} names ${field}`)
    assert.match(text, /"expected":/)
    if (body[field] !== undefined) assert.ok(text.includes(String(body[field])), text)
    assert.deepEqual(await net.appliance.store.read('port', port), before)
    return text
  }

  test('an interface that does not exist is refused by name, with those that do', async () => {
    const body = { host: net.hostId('one'), interface: 'nothere0' }
    const text = await refused(await freePort(), body, 400, 'interface')
    assert.match(text, /underlay0/)
  })

  test('a host that does not exist', async () => {
    const body = { host: randomUUID(), interface: 'a' }
    await refused(await freePort(), body, 400, 'host')
    await refused(await freePort(), { ...body, host: 'one' }, 400, 'host')
  })

  test('an interface or a port that is taken', async () => {
    const body = { host: net.hostId('one'), interface: a.interface }
    assert.match(await refused(await freePort(), body, 409, 'interface'), new RegExp(net.port(a)))
    await net.host('one').ip('link add spare0 type veth peer name spare1')
    const seen = async (): Promise<boolean> =>
      JSON.stringify(await net.appliance.local.interfaces(net.hostId('one'))).includes('spare0')
    await until('the agent has seen spare0', seen)
    await refused(net.port(a), { ...body, interface: 'spare0' }, 409, 'id')
    await net.host('one').ip('link del spare0')
  })

  test('bodies of the wrong kind', async () => {
    const host = net.hostId('one')
    const port = await freePort()
    await refused(port, { host }, 400, 'interface')
    await refused(port, { host, interface: 7 }, 400, 'interface')
    await refused(port, { host, interface: '' }, 400, 'interface')
    await refused(port, { host, interface: 'sixteen-letters-0' }, 400, 'interface')
    await refused(port, { host, interface: a.interface, colour: 'red' }, 400, 'colour')
    const nowhere = await ask('PUT', `/ports/${randomUUID()}/binding`, { host, interface: 'x' })
    assert.equal(nowhere.status, 404)
  })

  test('a port bound before its interface is there is inactive until it comes', async () => {
    const host = net.hostId('two')
    const { bound } = await net.agent('two').status()
    const port = await net.bind(red, 'two', 'later')
    const interfaces = async () =>
      (await ask('GET', `/hosts/${host}/interfaces`)).body as unknown as {
        name: string
        port?: string
        up: boolean
      }[]
    assert.deepEqual((await ask('GET', `/ports/${port}/binding`)).body, {
      ...{ port, host, interface: 'later' }
    })
    assert.equal(
      (await interfaces()).find(each => each.name === 'later'),
      undefined
    )
    assert.equal((await net.agent('two').status()).bound, bound)
    const later = await net.host('two').vm('later', { addresses: ['10.0.1.2/24'] })
    await reaches(a, later.address())
    assert.equal((await net.agent('two').status()).bound, bound + 1)
    const found = (await interfaces()).find(each => each.name === 'later')
    assert.deepEqual([found?.port, found?.up], [port, true])
    await allReceived(a, later.address())
    // And unbound again: its traffic stops.
    assert.equal((await ask('DELETE', `/ports/${port}/binding`)).status, 204)
    const gone = async () => (await net.agent('two').status()).bound === bound
    await until('unbound', gone)
    await reachesNot(a, later.address())
  })

  test('the API stays well, and so do the agents', async () => {
    const { status, body } = await ask('GET', '/agents')
    assert.equal(status, 200)
    assert.deepEqual(
      (body as unknown as { alive: boolean }[]).map(each => each.alive),
      [true, true]
    )
  })
})
