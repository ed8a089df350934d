// The MTU of the interface a packet leaves by, on real kernels: found by those who ask, kept by
// GSO, obeyed at once when it changes, here and on another host.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Host, until, type Vm } from '../../src/lab/index.ts'
import { allReceived, Network } from './fixtures/index.ts'

const skip = Network.skip()
const UNDERLAY = 1600
const NARROW = 1300

describe('B2: VMs behind interfaces of a smaller MTU', { skip }, () => {
  let net: Network
  let a: Vm
  const narrow: { vm: Vm; host: Host }[] = [] // here and on another host

  before(async () => {
    const hosts = ['one', 'two']
    net = await Network.open({ prefix: 'mz-lab-mtu', hosts, tunnels: 'vxlan', mtu: UNDERLAY })
    const [red, blue] = [await net.bridge('red'), await net.bridge('blue')]
    const router = await net.router('router')
    await net.plug(router, red, ['10.0.1.1/24', 'fd00:1::1/64'])
    await net.plug(router, blue, ['10.0.2.1/24', 'fd00:2::1/64'])
    const numbered = (subnet: number, n: number) => ({
      addresses: [`10.0.${subnet}.${n}/24`, `fd00:${subnet}::${n}/64`],
      gateway: `10.0.${subnet}.1`,
      gateway6: `fd00:${subnet}::1`
    })
    a = await net.vm('a', { on: 'one', at: red, ...numbered(1, 11) })
    const near = await net.vm('near', { on: 'one', at: blue, ...numbered(2, 12) })
    const far = await net.vm('far', { on: 'two', at: blue, ...numbered(2, 13) })
    await net.start()
    narrow.push({ vm: near, host: net.host('one') }, { vm: far, host: net.host('two') })
  })

  after(() => net?.close())

  async function squeeze(mtu: number): Promise<void> {
    for (const { vm, host } of narrow) await host.ip(`link set dev ${vm.interface} mtu ${mtu}`)
    await a.ip('route flush cache')
    await a.must(['ip', '-6', 'route', 'flush', 'cache'])
  }

  /** The host of the sender has heard of it: the sender of what is too large hears too. */
  async function told(to: Vm, family: 4 | 6, mtu: number): Promise<void> {
    const size = mtu - (family === 4 ? 28 : 48)
    await until(`${to.name} takes ${mtu} bytes and no more`, async () => {
      const tooBig = { df: true, size: size + 1, count: 1, timeoutMs: 300 }
      const { received, errors } = await a.ping(to.address(family), tooBig)
      return received === 0 && errors[0]?.mtu === mtu
    })
    await allReceived(a, to.address(family), { df: true, size })
  }

  test('the sender is told, also when the MTU changes under traffic', async () => {
    for (const { vm } of narrow)
      for (const family of [4, 6] as const) await allReceived(a, vm.address(family), { size: 1400 })
    for (const mtu of [NARROW, 1400]) {
      await squeeze(mtu)
      for (const { vm } of narrow) for (const family of [4, 6] as const) await told(vm, family, mtu)
    }
  })

  test('TCP finds its size, segments of it pass in one, and is sound', async () => {
    await squeeze(NARROW)
    for (const { vm } of narrow)
      for (const family of [4, 6] as const) {
        const server = await vm.tcp.serve()
        const stream = await a.tcp.stream({
          ...{ server, to: vm.address(family), speaks: 'both', everyMs: 0 }
        })
        const enough = async () => {
          const { client, server } = await stream.report()
          return Math.min(client.receivedBytes, server.receivedBytes) > 2e6
        }
        await until(`2 MB each way with ${vm.name}`, enough)
        const report = await stream.stop()
        await server.close()
        assert.ok(report.sound, JSON.stringify(report))
      }
  })

  test('an IPv4 packet that may be cut is cut, and arrives', async () => {
    await squeeze(NARROW)
    for (const { vm } of narrow) {
      // Its interface takes in what it would take out, and no more.
      await vm.ip(`link set dev eth0 mtu ${NARROW}`)
      await told(vm, 4, NARROW)
      await a.ip('route flush cache')
      for (const size of [NARROW - 27, 1400, 4000])
        await allReceived(a, vm.address(), { df: false, size })
    }
  })
})
