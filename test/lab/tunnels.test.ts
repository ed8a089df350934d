// Tunnels between hosts, VXLAN and GRE: what stands on the wire is what others can read, every
// size of packet passes, and TCP is sound in both directions with segmentation offload and
// without, as a plain network card has it.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type Host, until, type Vm } from '../../src/lab/index.ts'
import { LENGTH as ETHERNET } from '../../src/wire/ethernet.ts'
import * as ipv4 from '../../src/wire/ipv4.ts'
import { allReceived, Network } from './fixtures/index.ts'

const skip = Network.skip()
const MTU = 1600
const SIZES = [1, 2, 17, 18, 19, 56, 100, 576, 1000, 1400, 1451, 1452, 1453, 1472, 1473]
const LARGE = [2000, 2952, 4000, 8972, 9001, 16_000, 32_768, 60_000]

const wire = {
  vxlan: { key: 'vxlan.vni', filter: 'udp dst port 4789', protocols: /^eth:.*:udp:vxlan:eth:/ },
  gre: { key: 'gre.key', filter: 'ip proto 47', protocols: /^eth:.*:ip:gre:eth:/ }
} as const

for (const tunnels of ['vxlan', 'gre'] as const)
  describe(`two hosts joined by ${tunnels}`, { skip }, () => {
    let net: Network
    let one: Host
    let two: Host
    let a: Vm
    let b: Vm // in the same subnet
    let c: Vm // behind a router

    before(async () => {
      const hosts = ['one', 'two']
      net = await Network.open({ prefix: `mz-lab-${tunnels}`, hosts, tunnels, mtu: MTU })
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
      b = await net.vm('b', { on: 'two', at: red, ...numbered(1, 12), kind: 'tap' })
      c = await net.vm('c', { on: 'two', at: blue, ...numbered(2, 13) })
      await net.start()
      ;[one, two] = [net.host('one'), net.host('two')]
    })

    after(() => net?.close())

    test('tshark decodes what is on the wire; the key is the number of the port', async () => {
      const { key, filter, protocols } = wire[tunnels]
      const numbers = await Promise.all([b, a].map(vm => net.number(net.port(vm))))
      for (const family of [4, 6] as const) {
        await allReceived(a, b.address(family))
        const capture = await two.capture('underlay0', filter)
        // Each waits for the answer to the one before.
        for (let i = 0; i < 2; i++) await allReceived(a, b.address(family), { count: 1 })
        const echo = family === 4 ? 'icmp.type' : 'icmpv6.type'
        const echoes = () => capture.frames([key, 'ip.src', 'ip.dst', echo], echo)
        await until('both and their answers', async () => (await echoes()).length >= 4)
        await capture.stop()
        const frames = await echoes()
        assert.equal(frames.length, 4, await capture.describe())
        const types = family === 4 ? ['8', '0'] : ['128', '129']
        for (const [i, frame] of frames.entries()) {
          assert.match(frame.protocols, protocols)
          assert.equal(Number(frame.fields[key]![0]), numbers[i % 2])
          assert.equal(frame.fields[echo]![0], types[i % 2])
          const ends = [one.underlay.ip, two.underlay.ip]
          const [src, dst] = [frame.fields['ip.src']![0], frame.fields['ip.dst']![0]]
          assert.deepEqual([src, dst], i % 2 === 0 ? ends : ends.reverse())
        }
        for (const { bytes } of capture.raw()) {
          const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
          assert.ok(ipv4.checksumValid(view, ETHERNET), 'outer checksum')
          assert.ok(bytes.length - ETHERNET <= MTU)
        }
      }
    })

    test('pings of 1 to 60 000 bytes pass, v4 and v6, bridged and routed', async () => {
      for (const to of [b, c])
        for (const family of [4, 6] as const)
          for (const size of [...SIZES, ...LARGE])
            await allReceived(a, to.address(family), { count: 1, size })
    })

    test('TCP in both directions is sound at GSO sizes', async () => {
      const largest = await largestFrame(() => streams())
      assert.ok(largest > MTU + ETHERNET, `no frame above the MTU: the largest is ${largest}`)
      await bulk()
    })

    test('TCP in both directions is sound without offloads', async () => {
      for (const [node, ifname] of nics()) await node.offloads(ifname, false)
      try {
        const largest = await largestFrame(() => streams())
        assert.ok(largest <= MTU + ETHERNET, `a frame of ${largest} bytes`)
        await bulk()
        for (const to of [b, c]) await allReceived(a, to.address(), { size: 9000 })
      } finally {
        for (const [node, ifname] of nics()) await node.offloads(ifname, true)
      }
    })

    test('TCP is sound when only the network card lacks offloads', async () => {
      for (const host of [one, two]) await host.offloads('underlay0', false)
      try {
        const largest = await largestFrame(() => streams())
        assert.ok(largest <= MTU + ETHERNET, `a frame of ${largest} bytes`)
      } finally {
        for (const host of [one, two]) await host.offloads('underlay0', true)
      }
    })

    const nics = () =>
      [
        [one, 'underlay0'],
        [two, 'underlay0'],
        [one, a.interface],
        [two, c.interface],
        [a, 'eth0'],
        [c, 'eth0']
      ] as const

    /** Every byte of every stream is compared with what was sent. */
    async function streams(): Promise<void> {
      for (const to of [b, c])
        for (const family of [4, 6] as const) {
          const server = await to.tcp.serve()
          const stream = await a.tcp.stream({
            ...{ server, to: to.address(family), speaks: 'both', everyMs: 0 }
          })
          const enough = async () => {
            const { client, server } = await stream.report()
            return Math.min(client.receivedBytes, server.receivedBytes) > 2e6
          }
          await until(`2 MB each way with ${to.name}`, enough)
          const report = await stream.stop()
          await server.close()
          assert.ok(report.sound, JSON.stringify(report))
        }
    }

    async function bulk(): Promise<void> {
      for (const [from, to] of [
        [a, c],
        [c, a]
      ] as const) {
        const { gbps } = await from.traffic.bulk(to, to.address(4), 1)
        assert.ok(gbps > 0, `${from.name} to ${to.name}: ${gbps} Gbit/s`)
      }
    }

    async function largestFrame(during: () => Promise<void>): Promise<number> {
      const options = { framesMax: 5000, snapLength: 64 }
      const capture = await two.capture('underlay0', `greater ${MTU - 200}`, options)
      await during()
      await capture.stop()
      const frames = await capture.frames()
      return Math.max(...frames.map(frame => frame.length))
    }
  })
