// C3, F10 on real hosts: interfaces a host lives by are refused by the API that knows them, and by
// the agent when another API did not; the binding then says why.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { until, type Vm } from '../../src/lab/index.ts'
import { allReceived, type Device, Network } from './fixtures/index.ts'

describe('what may be bound', { skip: Network.skip() }, () => {
  let net: Network
  let red: Device
  let url: string
  let a: Vm
  let b: Vm

  before(async () => {
    net = await Network.open({ prefix: 'mz-lab-bindable', hosts: ['one', 'two'] })
    red = await net.bridge('red')
    a = await net.vm('a', { on: 'one', at: red, addresses: ['10.0.1.1/24'] })
    b = await net.vm('b', { on: 'two', at: red, addresses: ['10.0.1.2/24'] })
    await net
      .host('one')
      .ip(
        'link add card0 type bridge',
        'link set card0 up',
        'link add way0 type veth peer name way1',
        'link set way1 up',
        'addr add 192.0.2.77/24 dev way0',
        'link set way0 up',
        'route add default via 192.0.2.78 dev way0',
        'link add six0 type veth peer name six1',
        'link set six1 up'
      )
    await net.host('one').must(['sysctl', '-qw', 'net.ipv6.conf.six0.disable_ipv6=0'])
    await net
      .host('one')
      .ip(
        'addr add 2001:db8:77::1/64 dev six0 nodad',
        'link set six0 up',
        'route add default via 2001:db8:77::2 dev six0'
      )
    await net.start()
    url = await net.appliance.listen({ host: '127.0.0.1', port: 0 })
    await allReceived(a, b.address())
  })

  after(() => net?.close())

  async function ask(path: string, method = 'GET', body?: unknown) {
    const response = await fetch(`${url}${path}`, {
      method,
      ...(body === undefined
        ? {}
        : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    })
    return { status: response.status, text: await response.text() }
  }

  for (const [name, why] of [
    ['lo', /loopback/],
    ['underlay0', /underlay/],
    ['mzinj0', /Mezzo itself/],
    ['card0', /a bridge; taps and veths may be bound/],
    ['way0', /default route/],
    ['six0', /default route/]
  ] as const)
    test(`C3: ${name} is refused by the API, and by the agent if bound all the same`, async () => {
      const host = net.hostId('one')
      const free = await net.create('port', { type: 'bridge', device: red.id })
      const answer = await ask(`/ports/${free}/binding`, 'PUT', { host, interface: name })
      assert.equal(answer.status, 400, answer.text)
      assert.match(answer.text, why)
      if (name === 'lo' || name === 'mzinj0') {
        await assert.rejects(net.bind(red, 'one', name), /may be bound/)
        return
      }
      const port = await net.bind(red, 'one', name) // as the API of another host would
      await until('it is said to be refused', async () => {
        const { state, stateReason } = JSON.parse((await ask(`/ports/${port}`)).text)
        return state === 'down' && /host one is refused/.test(stateReason) && why.test(stateReason)
      })
      await allReceived(a, b.address())
      assert.equal((await ask(`/ports/${port}/binding`, 'DELETE')).status, 204)
    })

  test('F10: a port whose interface is not there says so, until it is', async () => {
    const port = await net.bind(red, 'two', 'later')
    const shown = async () => JSON.parse((await ask(`/ports/${port}`)).text)
    await until('it says what it waits for', async () => {
      const { state, stateReason } = await shown()
      return state === 'down' && stateReason === 'waiting for interface later on host two'
    })
    await net.host('two').ip('link add later type veth peer name sooner')
    await until('it says that it is down', async () =>
      /interface later of host two is down/.test((await shown()).stateReason)
    )
    await net.host('two').ip('link set sooner up', 'link set later up')
    await until('it is up', async () => {
      const { state, stateReason } = await shown()
      return state === 'up' && stateReason === undefined
    })
  })
})
