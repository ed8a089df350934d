// NAT in the whole system: the real walk, flows of the memory datapath, several hosts. Ports d1 and
// d2 are inside, `up` is outside; see the router's fixture.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { VirtualClock } from '../../src/core/clock.ts'
import { LeaseClient } from '../../src/host/lease-client.ts'
import { trace } from '../../src/host/show/explain.ts'
import { RECORD_WORDS, RecordWord } from '../../src/state/record.ts'
import type { StateTable } from '../../src/state/table.ts'
import { Kind } from '../../test/state/kinds.ts'
import { chain, object } from '../../test/world/objects.ts'
import type { WorldObject } from '../../test/world/store.ts'
import type { Delivery } from '../../test/world/world.ts'
import bridge from '../bridge/index.ts'
import firewall from '../firewall/index.ts'
import {
  from,
  hostIp,
  hostMac,
  Lab,
  type LabOptions,
  type PortName,
  ping,
  portIp,
  portMac,
  portObject,
  topology,
  udp
} from '../router/fixture.test.ts'
import router from '../router/index.ts'
import {
  answer,
  assertSameQuote,
  assertSound,
  errorAbout,
  flowOf,
  mirrored,
  type RuleText
} from './fixture.test.ts'
import nat from './index.ts'

const PUBLIC = '180.0.1.200'
const POOL = `snat/r/${PUBLIC}`
const SNAT: RuleText = {
  action: 'snat',
  source: '10.0.0.0/8',
  outPorts: ['up'],
  natTargets: [{ from: PUBLIC, portFrom: 1024, portTo: 65_535 }]
}

function chains(inward: readonly RuleText[], outward: readonly RuleText[]): WorldObject[] {
  const router = object('router', 'r', { inFilter: 'in', outFilter: 'out' })
  return [router, ...chain('in', inward), ...chain('out', outward)]
}

const lab = (
  inward: readonly RuleText[],
  outward: readonly RuleText[],
  hosts: Partial<Record<PortName, string>> = {},
  options: LabOptions = {}
): Lab =>
  new Lab({
    plugins: [bridge, router, firewall, nat],
    objects: topology(
      ...chains(inward, outward),
      ...Object.entries(hosts).map(([port, host]) => portObject(port as PortName, { host }))
    ),
    ...options
  })

const snatLab = (hosts?: Partial<Record<PortName, string>>, options?: LabOptions): Lab =>
  lab([{ action: 'reverse-snat' }], [{ action: 'reverse-dnat' }, SNAT], hosts, options)

function only(deliveries: readonly Delivery[], port: string): Uint8Array {
  assert.deepEqual(
    deliveries.map(each => each.port),
    [port]
  )
  assertSound(deliveries[0]!.frame)
  return deliveries[0]!.frame
}

// What a receiver sends back: to the router, which it heard it from.
function reply(frame: Uint8Array, of: PortName): Uint8Array {
  const back = answer(frame)
  back.set(macBytes(portMac(of)), 0)
  back.set(macBytes(hostMac(of)), 6)
  return back
}
const macBytes = (text: string): number[] => text.split(':').map(byte => Number.parseInt(byte, 16))

const tableOf = (of: Lab, host = 'h1'): StateTable =>
  of.world.hosts.get(host)!.host.worker.ctx.state.table

describe('SNAT in the whole system', () => {
  test('NAT-03 NT-02 the first packet waits for a block of ports; later ones are a flow', () => {
    const site = snatLab()
    const out = only(site.exchange('d1', udp('d1', hostIp.up)), 'up')
    assert.equal(flowOf(out).src, PUBLIC)
    assert.equal(site.world.store.leases.holders(POOL).size, 1)
    const walked = site.world.counter('packets.walked')
    for (let i = 0; i < 3; i++)
      assert.deepEqual(flowOf(only(site.exchange('d1', udp('d1', hostIp.up)), 'up')), flowOf(out))
    assert.equal(site.world.counter('packets.walked'), walked)
    const back = only(site.exchange('up', reply(out, 'up')), 'd1')
    assert.deepEqual(flowOf(back), mirrored(flowOf(udp('d1', hostIp.up).frame())))
    assert.equal(tableOf(site).count(Kind.snat), 1)
  })

  test('NAT-05 pings of two machines with one id', () => {
    const site = snatLab()
    for (const port of ['d1', 'd2'] as const) {
      const out = only(site.exchange(port, ping(port, hostIp.up, 9)), 'up')
      const back = only(site.exchange('up', reply(out, 'up')), port)
      assert.equal(flowOf(back).dst, hostIp[port])
      assert.equal(flowOf(back).sport, 9)
    }
    assert.equal(tableOf(site).count(Kind.snat), 2)
  })

  test('SN-12 pings that wait for ports and neighbours keep their order', () => {
    const site = snatLab({}, { knows: ['d1'] })
    for (let i = 0; i < 5; i++)
      site.world.send('d1', from('d1').ipv4(hostIp.d1, hostIp.up).icmpEcho(9, i).frame())
    site.world.settle()
    site.world.delivered.length = 0
    site.announce('up')
    site.world.settle()
    const sent = site.exchange('d1', from('d1').ipv4(hostIp.d1, hostIp.up).icmpEcho(9, 5).frame())
    assert.equal(flowOf(only(sent, 'up')).src, PUBLIC)
    assert.equal(site.world.counter('nat.translations-made') > 0, true)
    assert.equal(tableOf(site).count(Kind.snat), 1)
  })

  test('NAT-03 an ICMP error from outside finds the machine inside', () => {
    const site = snatLab()
    const out = only(site.exchange('d1', udp('d1', hostIp.up)), 'up')
    const error = errorAbout(out, '203.0.113.9')
    error.set(macBytes(portMac('up')), 0)
    error.set(macBytes(hostMac('up')), 6)
    const back = only(site.exchange('up', error), 'd1')
    assert.equal(flowOf(back).dst, hostIp.d1)
    const [sent] = [udp('d1', hostIp.up, 1000, 7).frame()]
    assertSameQuote(back, sent)
  })

  test('a masquerade takes the address of the port, and its new one when that changes', () => {
    const site = lab([{ action: 'reverse-snat' }], [{ action: 'masquerade', outPorts: ['up'] }])
    const first = flowOf(only(site.exchange('d1', udp('d1', hostIp.up)), 'up'))
    assert.equal(first.src, portIp.up)
    site.change('port', 'up', { addresses: ['180.0.1.9/24'] })
    const second = flowOf(only(site.exchange('d1', udp('d1', hostIp.up)), 'up'))
    assert.equal(second.src, '180.0.1.9')
  })
})

describe('the router itself', () => {
  const FIP = '180.0.1.77'
  const toRouter: RuleText = {
    action: 'dnat',
    destination: `${FIP}/32`,
    natTargets: [{ from: portIp.d1 }, { from: portIp.d1 }]
  }

  test('SR-12 a ping to a public address of the router is answered from there', () => {
    for (const outward of [[], [{ action: 'reverse-dnat' }]] as RuleText[][]) {
      const site = lab([toRouter], outward)
      const sent = ping('up', FIP).frame()
      const back = only(site.exchange('up', sent), 'up')
      assert.deepEqual(flowOf(back), mirrored(flowOf(sent)))
      assert.equal(tableOf(site).size, 0, 'what a router answers leaves no state')
    }
  })

  test('SR-18 a filter against new packets lets the answer pass, one against all does not', () => {
    const forward = lab([], [{ action: 'drop', matchForwardFlow: true }])
    assert.equal(forward.exitOf('up', ping('up', portIp.up)), 'up')
    const all = lab([], [{ action: 'drop', destination: '180.0.1.0/24' }])
    assert.equal(all.exitOf('up', ping('up', portIp.up)), '')
    assert.equal(all.exitOf('d1', ping('d1', portIp.up)), 'd1')
    const rejected = lab([], [{ action: 'reject', protocol: 'icmp' }])
    assert.equal(rejected.exitOf('up', ping('up', portIp.up)), '')
  })
})

describe('ports are leased', () => {
  const rival = new LeaseClient({ ask: () => {}, release: () => {} }, 'h9', new VirtualClock())
  const seat = (block: number) => ({ pool: POOL, blocks: 1024, block, first: 0 })

  // Every translation of all hosts, by key B.
  const answers = (of: Lab): string[] => {
    const found: string[] = []
    for (const host of of.world.hosts.keys()) {
      const into = new Int32Array(256 * RECORD_WORDS)
      const count = tableOf(of, host).scan(0, into, new Float64Array(256))
      for (let i = 0; i < count; i++)
        found.push(
          into.slice(i * RECORD_WORDS + RecordWord.b, i * RECORD_WORDS + RecordWord.flags).join()
        )
    }
    return found
  }

  test('INV-05 two hosts never share a block, nor two translations a port', () => {
    const site = snatLab({ d1: 'h1', d2: 'h2', up: 'h3' })
    for (let i = 0; i < 80; i++)
      for (const port of ['d1', 'd2'] as const)
        only(site.exchange(port, udp(port, hostIp.up, 2000)), 'up') &&
          only(site.exchange(port, udp(port, hostIp.up, 3000 + i)), 'up')
    const holders = [...site.world.store.leases.holders(POOL).values()]
    assert.ok(holders.includes('session-h1') && holders.includes('session-h2'))
    assert.ok(holders.length >= 4, 'more than 64 ports a host')
    const all = answers(site)
    assert.equal(all.length, 162)
    assert.equal(new Set(all).size, all.length)
  })

  test('NT-03 blocks go back when their translations are gone', () => {
    const settings = { nat: { blockIdleMs: 10_000 } }
    const site = snatLab({}, { settings })
    for (let i = 0; i < 100; i++) site.exchange('d1', udp('d1', hostIp.up, 2000 + i))
    assert.ok(site.world.store.leases.size >= 2)
    site.world.settle(120_000)
    assert.equal(tableOf(site).size, 0)
    assert.equal(site.world.store.leases.size, 0)
    assert.equal(site.world.counter('nat.blocks-held'), 0)
    site.announce('up')
    assert.equal(flowOf(only(site.exchange('d1', udp('d1', hostIp.up)), 'up')).src, PUBLIC)
  })

  test('NT-03 a block with a live translation stays', () => {
    const site = snatLab({}, { settings: { nat: { blockIdleMs: 10_000 } } })
    for (let i = 0; i < 20; i++) {
      site.announce('up')
      assert.equal(flowOf(only(site.exchange('d1', udp('d1', hostIp.up)), 'up')).src, PUBLIC)
      site.world.settle(20_000)
    }
    assert.equal(site.world.store.leases.size, 1)
    assert.equal(tableOf(site).count(Kind.snat), 1)
    assert.ok(site.world.counter('nat.translations-made') <= 3, 'it was made once, in a few walks')
  })

  test('a lost session loses its blocks, not its translations', () => {
    const site = snatLab()
    const out = only(site.exchange('d1', udp('d1', hostIp.up)), 'up')
    site.world.store.leases.forget('session-h1')
    site.world.hosts.get('h1')!.host.leases.lostAll()
    assert.equal(site.world.counter('nat.blocks-lost'), 1)
    assert.deepEqual(flowOf(only(site.exchange('d1', udp('d1', hostIp.up)), 'up')), flowOf(out))
    const block = flowOf(out).sport >>> 6
    site.world.store.leases.link('session-h9', site.world.clock, () => rival).ask(seat(block))
    for (let i = 0; i < 70; i++) only(site.exchange('d1', udp('d1', hostIp.up, 2000 + i)), 'up')
    assert.equal(site.world.store.leases.holders(POOL).get(block), 'session-h9')
    site.world.store.leases.forget('session-h9')
    site.world.settle(10_000)
    const again = 'the block of a live binding is taken again'
    assert.equal(site.world.store.leases.holders(POOL).get(block), 'session-h1', again)
  })

  test('a block that another host has by now is lost alone, and once', () => {
    const site = snatLab()
    const out = only(site.exchange('d1', udp('d1', hostIp.up)), 'up')
    const { leases } = site.world.hosts.get('h1')!.host
    const block = flowOf(out).sport >>> 6
    assert.ok(leases.held(POOL).includes(block))
    for (let i = 0; i < 2; i++) leases.lost(POOL, block)
    assert.ok(!leases.held(POOL).includes(block))
    assert.equal(site.world.counter('nat.blocks-lost'), 1)
  })

  test('NT-02 no block to be had is a named drop, and ends when there is one', () => {
    const site = snatLab()
    site.world.store.leases.away = true
    assert.equal(site.exitOf('d1', udp('d1', hostIp.up)), '')
    assert.equal(site.drops('nat.exhausted'), 1)
    site.world.store.leases.away = false
    site.world.settle(10_000)
    assert.equal(site.exitOf('d1', udp('d1', hostIp.up)), 'up')
  })

  test('INV-04 an answer by another gateway, which holds no block, is translated back', () => {
    const group = object('port-group', 'g', { name: 'g', stateful: true, ports: ['up', 'd3'] })
    const site = snatLab({ d1: 'h1', up: 'h2', d3: 'h3' }, { share: true })
    site.add(group)
    site.world.settle(500)
    const out = only(site.exchange('d1', udp('d1', hostIp.up)), 'up')
    const back = answer(out)
    back.set(macBytes(portMac('d3')), 0)
    back.set(macBytes(hostMac('d3')), 6)
    assert.equal(flowOf(only(site.exchange('d3', back), 'd1')).dst, hostIp.d1)
    assert.equal(tableOf(site, 'h3').count(Kind.snat), 1)
  })
})

test('a trace shows the translation, and takes nothing for it', async () => {
  const site = snatLab()
  site.exchange('d2', udp('d2', '203.0.113.1')) // loads what a trace would wait for
  const before = tableOf(site).size
  const { host: agent } = site.world.hosts.get('h1')!
  const tracing = trace(agent, site.world.clock, 'd1', udp('d1', hostIp.up).frame())
  site.world.settle(1000)
  const told = await tracing
  assert.ok(
    told.lines.some(line => line.includes(`nat src ${PUBLIC} port`)),
    told.lines.join('\n')
  )
  assert.equal(site.world.store.leases.size, 1)
  assert.equal(tableOf(site).size, before)
})
