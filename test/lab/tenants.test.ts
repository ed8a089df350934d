// A hostile tenant on the kernel datapath, with real frames: what it tries against its neighbours,
// wrapped in every way, comes to none of them, before and after honest traffic has made flows.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { until, type Vm } from '../../src/lab/index.ts'
import { macFrom, parseMac } from '../../src/wire/address.ts'
import { arpRequest, eth, type PacketBuilder } from '../../src/wire/builder.ts'
import { HIDING, READABLE, tagged } from '../world/wrappings.ts'
import { allReceived, type Device, Network } from './fixtures/index.ts'

const skip = Network.skip()
const FRAMES = 50
const ALL = 'ff:ff:ff:ff:ff:ff'
const NOBODY = '10.0.7.250'
const END = 20 // bytes by which a frame is known again
const AT_ONCE = 10

interface Station {
  readonly mac: string
  readonly ip: string
  readonly ip6: string
}
const station = (n: number): Station => ({
  mac: `02:00:00:00:77:0${n}`,
  ip: `10.0.7.${n}`,
  ip6: `fd00:7::${n}`
})
const [GATEWAY, MALLORY, VICTIM] = [station(1), station(6), station(9)]
const linkLocal = (mac: string): string => `fe80::ff:fe00:770${mac.at(-1)}`
const allowed = ({ mac, ip, ip6 }: Station) => ({ allowedAddresses: [{ mac, ips: [ip, ip6] }] })

describe('C7: a hostile tenant on a bridge of two hosts', { skip }, () => {
  let net: Network
  let red: Device
  let mallory: Vm
  let victim: Vm // on the same host
  let gateway: Vm // on the other one

  before(async () => {
    net = await Network.open({ prefix: 'mz-tenants', hosts: ['one', 'two'], creditsPerPort: 1024 })
    red = await net.bridge('red')
    const vm = (name: string, on: string, of: Station, port: Record<string, unknown>) =>
      net.vm(name, { on, at: red, mac: of.mac, addresses: [`${of.ip}/24`, `${of.ip6}/64`], port })
    ;[mallory, victim, gateway] = await Promise.all([
      vm('mallory', 'one', MALLORY, allowed(MALLORY)),
      vm('victim', 'one', VICTIM, allowed(VICTIM)),
      vm('gateway', 'two', GATEWAY, { ...allowed(GATEWAY), allowedServices: ['dhcp', 'ra'] })
    ])
    await net.start()
  })

  after(() => net?.close())

  // How many of these frames another station saw, at most.  What is sent last may pass, and takes
  // the slow path, in whose order all frames before it have been seen to by then.
  let marks = 0
  async function seen(from: Vm, of: Station, ...frames: readonly Uint8Array[]): Promise<number> {
    const others = [mallory, victim, gateway].filter(vm => vm !== from)
    const captures = await Promise.all(
      others.map(vm => vm.capture('eth0', '', { direction: 'in' }))
    )
    const mark = macFrom(0x024d, ++marks)
    const last = eth(of.mac, ALL).arp(1, of.mac, of.ip, mark, NOBODY).frame()
    await from.traffic.send([...frames.flatMap(frame => Array(FRAMES).fill(frame)), last])
    for (const capture of captures)
      await until('the last one', () => capture.raw().some(({ bytes }) => has(bytes, last)))
    const counts = captures.map(
      capture => capture.raw().filter(({ bytes }) => frames.some(frame => has(bytes, frame))).length
    )
    await Promise.all(captures.map(capture => capture.stop()))
    return Math.max(...counts)
  }

  // The end is the same, whatever tags have come off.
  const has = (bytes: Uint8Array, frame: Uint8Array): boolean =>
    Buffer.from(bytes).includes(Buffer.from(frame.subarray(-END)))

  const neighbour = async (of: Vm, ip: string): Promise<string> =>
    / lladdr (\S+)/.exec(await of.must(['ip', 'neigh', 'show', ip, 'dev', 'eth0']))?.[1] ?? ''

  const ping = (from: Station, to: Station, mac = from.mac, ip = from.ip): PacketBuilder =>
    eth(mac, to.mac).ipv4(ip, to.ip).icmpEcho(7, 1).payload(40)
  const udp6 = (mac: string, ip: string): PacketBuilder =>
    eth(mac, VICTIM.mac).ipv6(ip, VICTIM.ip6).udp(7000, 9).payload(40)
  const na = (src: string, target: string, mac: string): PacketBuilder =>
    eth(MALLORY.mac, VICTIM.mac)
      .ipv6(src, VICTIM.ip6, { hopLimit: 255 })
      .na(target, { mac: parseMac(mac), flags: 0x2000_0000 })

  test('honest stations reach each other, with flows in the kernel', async () => {
    for (const [from, to] of [
      [mallory, victim],
      [victim, gateway],
      [gateway, mallory]
    ] as const)
      for (const family of [4, 6] as const)
        await allReceived(from, to.address(family), { count: 5 })
    assert.equal(await seen(mallory, MALLORY, ping(MALLORY, VICTIM).frame()), FRAMES)
    assert.equal(await seen(mallory, MALLORY, udp6(MALLORY.mac, MALLORY.ip6).frame()), FRAMES)
  })

  const poison = {
    'an ARP answer': eth(MALLORY.mac, VICTIM.mac).arpReply(
      MALLORY.mac,
      GATEWAY.ip,
      VICTIM.mac,
      VICTIM.ip
    ),
    'an ARP announcement': arpRequest(MALLORY.mac, GATEWAY.ip, GATEWAY.ip),
    'a question as the gateway': arpRequest(MALLORY.mac, GATEWAY.ip, VICTIM.ip),
    "an ARP answer from the gateway's MAC": eth(GATEWAY.mac, VICTIM.mac).arpReply(
      MALLORY.mac,
      GATEWAY.ip,
      VICTIM.mac,
      VICTIM.ip
    ),
    'an advertisement': na(MALLORY.ip6, GATEWAY.ip6, MALLORY.mac),
    'an advertisement as the gateway': na(GATEWAY.ip6, GATEWAY.ip6, MALLORY.mac)
  }
  const WRAPPINGS = { ...READABLE, ...HIDING }

  test(`the victim's neighbours stay who they are: 0 of ${FRAMES} of each kind`, async () => {
    await allReceived(victim, GATEWAY.ip)
    await allReceived(victim, GATEWAY.ip6)
    for (const [name, packet] of Object.entries(poison)) {
      const all = Object.values(WRAPPINGS).map(wrap => wrap(packet.frame()))
      for (let i = 0; i < all.length; i += AT_ONCE)
        assert.equal(await seen(mallory, MALLORY, ...all.slice(i, i + AT_ONCE)), 0, name)
    }
    for (const ip of [GATEWAY.ip, GATEWAY.ip6])
      assert.equal(await neighbour(victim, ip), GATEWAY.mac, ip)
    await allReceived(victim, GATEWAY.ip)
    const drops = await net.agent('one').counters()
    for (const why of ['mac', 'arp', 'nd', 'ip', 'hidden'])
      assert.ok(drops[`drop.bridge.port-security-${why}`]! > 0, why)
  })

  test('beside the flow of an honest packet, one that differs in its source alone', async () => {
    assert.equal(await seen(mallory, MALLORY, ping(MALLORY, VICTIM).frame()), FRAMES)
    const forged = [
      ping(MALLORY, VICTIM, GATEWAY.mac),
      ping(MALLORY, VICTIM, MALLORY.mac, GATEWAY.ip),
      ping(MALLORY, VICTIM, '02:00:00:00:77:ff', '10.0.7.77'),
      udp6(MALLORY.mac, GATEWAY.ip6),
      udp6(GATEWAY.mac, MALLORY.ip6)
    ].map(packet => packet.frame())
    for (const frame of forged) {
      assert.equal(await seen(mallory, MALLORY, frame), 0)
      assert.equal(await seen(mallory, MALLORY, tagged(frame, [0x8100, 0])), 0)
    }
    assert.equal(await seen(mallory, MALLORY, ping(MALLORY, VICTIM).frame()), FRAMES)
    await allReceived(victim, GATEWAY.ip, { count: 5 }) // nobody learned the gateway elsewhere
  })

  test('fragments of a forged source, the later ones as well', async () => {
    const forged = eth(MALLORY.mac, VICTIM.mac).ipv4(GATEWAY.ip, VICTIM.ip).udp(1, 9).payload(3000)
    assert.equal(await seen(mallory, MALLORY, ...forged.fragments(1500)), 0)
  })

  test('answers of DHCP and routers come from servers only', async () => {
    const answers = ({ mac, ip, ip6 }: Station): Uint8Array[] => [
      eth(mac, ALL).ipv4(ip, '255.255.255.255').udp(67, 68).payload(60).frame(),
      eth(mac, '33:33:00:00:00:01').ipv6(ip6, 'ff02::1').udp(547, 546).payload(60).frame(),
      eth(mac, '33:33:00:00:00:01')
        .ipv6(linkLocal(mac), 'ff02::1', { hopLimit: 255 })
        .icmpv6(134)
        .payload(8)
        .frame()
    ]
    for (const frame of answers(MALLORY)) assert.equal(await seen(mallory, MALLORY, frame), 0)
    for (const frame of answers(GATEWAY)) assert.equal(await seen(gateway, GATEWAY, frame), FRAMES)
  })

  test('what is allowed can change while flows are in use', async () => {
    const other = ping(MALLORY, VICTIM, MALLORY.mac, '10.0.7.66').frame()
    assert.equal(await seen(mallory, MALLORY, other), 0)
    const more = [{ mac: MALLORY.mac, ips: [MALLORY.ip, MALLORY.ip6, '10.0.7.64/28'] }]
    await net.change('port', net.port(mallory), { allowedAddresses: more })
    await until('it passes', async () => (await seen(mallory, MALLORY, other)) === FRAMES)
    await net.change('port', net.port(mallory), allowed(MALLORY))
    await until('it passes no longer', async () => (await seen(mallory, MALLORY, other)) === 0)
  })

  test('C1: chains of a bridge see what has priority tags', async () => {
    const frame = ping(MALLORY, VICTIM).frame()
    const tags = [0x8100, 0x88a8].flatMap(type => [
      tagged(frame, [type, 0]),
      tagged(frame, [type, 0xe000]),
      tagged(frame, [type, 0], [0x8100, 0])
    ])
    for (const wrapped of tags) assert.equal(await seen(mallory, MALLORY, wrapped), FRAMES)
    const { chain, rule } = await net.chain('no-icmp', { action: 'drop', protocol: 'icmp' })
    await net.change('bridge', red.id, { inFilter: chain })
    await until('the rule', async () => (await seen(mallory, MALLORY, frame)) === 0)
    for (const wrapped of tags) assert.equal(await seen(mallory, MALLORY, wrapped), 0)
    await net.change('bridge', red.id, { inFilter: undefined })
    await net.delete('rule', rule)
  })
})
