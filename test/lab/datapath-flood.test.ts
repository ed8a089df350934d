// Lists longer than a flow holds: floods to hundreds of ports, and to ports and tunnels mixed,
// where a clone's tunnel header must not spoil what goes out after it.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { PortClass } from '../../src/datapath/datapath.ts'
import { ActionList, ActionType, TunnelKind } from '../../src/flow/actions.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { eth, type PacketBuilder } from '../../src/wire/builder.ts'
import * as gre from '../../src/wire/gre.ts'
import * as vxlan from '../../src/wire/vxlan.ts'
import { FrameBench, hex } from './datapath-frames.ts'
import { canRun, maskOf } from './datapath-lab.ts'

const A = '02:00:00:00:00:01'
const B = '02:00:00:00:00:02'
const LOCAL = '172.31.0.1'
const REMOTES = ['172.31.0.2', '172.31.0.3', '172.31.0.4']
const PORTS = 300
const EVERYTHING = maskOf(0, 1, 2, 3, 4, 5, 6, 7)

const packets: Record<string, PacketBuilder> = {
  ARP: eth(A, 'ff:ff:ff:ff:ff:ff').arpRequest(A, '10.0.0.1', '10.0.0.2'),
  'v4 UDP': eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).payload(100),
  'v6 TCP': eth(A, B).ipv6('fd00::1', 'fd00::2').tcp(1, 2).payload(99),
  'tagged v4': eth(A, B).vlan(77).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).payload(30),
  'tagged ARP': eth(A, B).vlan(77).arpRequest(A, '10.0.0.1', '10.0.0.2'),
  'QinQ v6': eth(A, B).qinq(8).vlan(77).ipv6('fd00::1', 'fd00::2').udp(1, 2).payload(31),
  'not IP': eth(A, B, 0x88b5).payload(64)
}

// The 'v4 UDP' packet inside a tunnel.
const carry = (outer: PacketBuilder): Uint8Array =>
  outer.eth(A, B).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).payload(100).frame()

describe('datapath: floods', { skip: canRun }, () => {
  let at: FrameBench
  let underlay: number

  before(() => {
    at = new FrameBench(4, { vxlanPort: 4789 })
    underlay = at.ports[3]!
    at.bench.sh('h', `ip addr add ${LOCAL}/24 dev h3`)
    REMOTES.forEach((remote, i) => {
      at.bench.sh('h', `ip neigh add ${remote} lladdr 02:00:00:00:09:0${i} dev h3 nud permanent`)
    })
  })
  after(() => at.close())

  // What came out, as text: `port bytes`, and for tunnels `remote kind key bytes`.
  const read = (port: number, bytes: Uint8Array): string => {
    if (port !== 3) return `${port} ${hex(bytes)}`
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const remote = view.getUint8(33)
    const isGre = view.getUint8(23) === 47
    const inner = bytes.slice(isGre ? 42 : 50)
    const key = isGre ? gre.key(view, 34) : vxlan.vni(view, 42)
    return `${remote} ${isGre ? 'gre' : 'vxlan'} ${key} ${hex(inner)}`
  }

  const check = async (frame: Uint8Array, actions: ActionList, wanted: string[]) => {
    at.decide((_, into) => {
      into.copy(actions)
      return EVERYTHING
    })
    for (const path of ['slow path', 'fast path']) {
      at.send(0, frame)
      const arrivals = await at.arrivals(wanted.length)
      const got = arrivals.map(({ port, bytes }) => read(port, bytes))
      assert.deepEqual(got.sort(), [...wanted].sort(), path)
    }
    at.under.forget()
    assert.equal(at.datapath.counters().errors, 0)
  }

  for (const [name, builder] of Object.entries(packets))
    for (const last of ['port', 'tunnel'])
      test(`${name} to two ports and three tunnels, a ${last} last`, async () => {
        const frame = builder.frame()
        const actions = new ActionList()
        const tunnel = (i: number, kind: number): void =>
          actions.tunnel(kind, 100 + i, parseIpv4(REMOTES[i]!), parseIpv4(LOCAL), underlay)
        if (last === 'tunnel') actions.output(at.ports[2]!)
        tunnel(0, TunnelKind.vxlan)
        actions.output(at.ports[1]!)
        tunnel(1, TunnelKind.gre)
        if (last === 'port') {
          tunnel(2, TunnelKind.vxlan)
          actions.output(at.ports[2]!)
        } else tunnel(2, TunnelKind.vxlan)
        const text = hex(frame)
        await check(frame, actions, [
          `1 ${text}`,
          `2 ${text}`,
          `2 vxlan 100 ${text}`,
          `3 gre 101 ${text}`,
          `4 vxlan 102 ${text}`
        ])
      })

  test('an edit between two tunnels shows in the second alone', async () => {
    const frame = packets['v4 UDP']!.frame()
    const edited = eth(A, '0a:00:00:00:00:01')
      .ipv4('10.0.0.1', '10.0.0.2', { ttl: 63 })
      .udp(1, 2)
      .payload(100)
      .frame()
    const actions = new ActionList()
    actions.tunnel(TunnelKind.gre, 1, parseIpv4(REMOTES[0]!), parseIpv4(LOCAL), underlay)
    actions.push(ActionType.setEthDst, 0x0a000000, 1)
    actions.push(ActionType.addTtl, -1)
    actions.tunnel(TunnelKind.vxlan, 2, parseIpv4(REMOTES[1]!), parseIpv4(LOCAL), underlay)
    actions.output(at.ports[1]!)
    await check(frame, actions, [
      `2 gre 1 ${hex(frame)}`,
      `3 vxlan 2 ${hex(edited)}`,
      `1 ${hex(edited)}`
    ])
  })

  test(`a flood of ${PORTS} outputs reaches each once`, async () => {
    const frame = packets.ARP!.frame()
    const actions = new ActionList()
    const wanted: string[] = []
    for (let i = 0; i < PORTS; i++) {
      actions.push(ActionType.setEthSrc, 0x0200, i)
      actions.output(at.ports[1 + (i % 2)]!)
      const copy = frame.slice()
      new DataView(copy.buffer).setUint16(6, 0x0200)
      new DataView(copy.buffer).setUint32(8, i)
      wanted.push(`${1 + (i % 2)} ${hex(copy)}`)
    }
    await check(frame, actions, wanted)
    assert.equal(at.datapath.counters().chunks, 0, 'chunks are given back')
  })

  test('512 ports of one list, a tag pushed on the way', async () => {
    const frame = packets['v6 TCP']!.frame()
    const actions = new ActionList()
    for (let i = 0; i < 511; i++) actions.output(at.ports[1]!)
    actions.push(ActionType.pushVlan | (9 << 16), 0x8100)
    actions.output(at.ports[2]!)
    const tagged = eth(A, B).vlan(9).ipv6('fd00::1', 'fd00::2').tcp(1, 2).payload(99).frame()
    const wanted = Array.from({ length: 511 }, () => `1 ${hex(frame)}`)
    await check(frame, actions, [...wanted, `2 ${hex(tagged)}`])
  })

  test('what arrives by a tunnel shows its key and sender, and goes on by a tunnel', async () => {
    at.datapath.detach(underlay)
    at.bench.attach('h', at.datapath, 'h3', PortClass.tunnel)
    const mac = at.datapath.interfaces.byName('h3')!.mac
    const outer = eth(A, mac).ipv4(REMOTES[0]!, LOCAL)
    const arrivals = {
      vxlan: carry(outer.udp(50000, 4789).vxlan(0x123456)),
      gre: carry(outer.gre({ key: 0x123456 }))
    }
    const inner = packets['v4 UDP']!.frame()
    at.under.seen.length = 0
    for (const frame of Object.values(arrivals)) {
      at.decide((_, into) => {
        into.tunnel(TunnelKind.gre, 5, parseIpv4(REMOTES[1]!), parseIpv4(LOCAL), underlay)
        return EVERYTHING
      })
      for (let i = 0; i < 2; i++) {
        at.send(3, frame)
        const back = await at.arrivals(1)
        assert.deepEqual(
          back.map(({ port, bytes }) => read(port, bytes)),
          [`3 gre 5 ${hex(inner)}`]
        )
      }
      const [seen] = await at.upcalls(1)
      assert.equal(seen!.key[1], 0x123456)
      assert.equal(seen!.key[2], parseIpv4(REMOTES[0]!))
      assert.equal(hex(seen!.bytes), hex(inner))
      at.under.forget()
    }
  })

  test('what is not ours passes by: another port, another address, another key form', async () => {
    const mac = at.datapath.interfaces.byName('h3')!.mac
    const outer = eth(A, mac)
    at.under.seen.length = 0
    at.decide(() => null)
    at.send(
      3,
      carry(outer.ipv4(REMOTES[0]!, LOCAL).udp(50000, 4790).vxlan(1)),
      carry(outer.ipv4(REMOTES[0]!, '172.31.0.9').udp(50000, 4789).vxlan(1)),
      carry(outer.ipv4(REMOTES[0]!, LOCAL).gre())
    )
    at.send(3, carry(outer.ipv4(REMOTES[0]!, LOCAL).gre({ key: 9 })))
    const seen = await at.upcalls(1) // that of what was sent last
    assert.deepEqual(
      seen.map(each => each.key[1]),
      [9]
    )
  })
})
