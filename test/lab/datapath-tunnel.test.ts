// Tunnels on a real kernel: two hosts, a VM each, an underlay between them; VXLAN and GRE as tshark
// reads them, IP and not, both families, small and large, in and out again (hairpin).

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { PortClass } from '../../src/datapath/datapath.ts'
import { TunnelKind } from '../../src/flow/actions.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { Bench, canRun, Deputy, L2, pinged, streamed } from './datapath-lab.ts'

const kinds = [
  { name: 'vxlan', kind: TunnelKind.vxlan, filter: 'vxlan', key: 'vxlan.vni', mtu: 1450 },
  { name: 'gre', kind: TunnelKind.gre, filter: 'gre', key: 'gre.key', mtu: 1458 }
]

for (const { name, kind, filter, key, mtu } of kinds)
  describe(`tunnels: ${name}`, { skip: canRun }, () => {
    const bench = new Bench()
    const deputies: Deputy[] = []

    before(() => {
      bench.namespace('a', 'b', 'h1', 'h2')
      const a = { in: 'a', name: 'va', mtu, address: ['10.9.0.1/24', 'fd09::1/64'] }
      const b = { in: 'b', name: 'vb', mtu, address: ['10.9.0.2/24', 'fd09::2/64'] }
      bench.veth(a, { in: 'h1', name: 'ha' })
      bench.veth(b, { in: 'h2', name: 'hb' })
      bench.veth(
        { in: 'h1', name: 'u1', address: ['172.31.0.1/24'] },
        { in: 'h2', name: 'u2', address: ['172.31.0.2/24'] }
      )
      for (const [host, local, remote, port, underlay] of [
        ['h1', '172.31.0.1', '172.31.0.2', 'ha', 'u1'],
        ['h2', '172.31.0.2', '172.31.0.1', 'hb', 'u2']
      ] as const) {
        const datapath = bench.open(host)
        const vm = bench.attach(host, datapath, port)
        const outer = bench.attach(host, datapath, underlay, PortClass.tunnel)
        deputies.push(
          new Deputy(datapath, (frame, actions) => {
            if (frame.key[1] !== 0) actions.output(vm)
            else actions.tunnel(kind, 0x4d4d, parseIpv4(remote), parseIpv4(local), outer)
            return L2
          })
        )
      }
    })
    after(() => bench.close())

    test('ping crosses and tshark reads the key', async () => {
      const capture = await bench.capture('h1', 'u1')
      await pinged('a', '10.9.0.2')
      const rows = await capture.fields(`${filter} && icmp`, key, 'ip.src', 'ip.flags.df')
      assert.ok(rows.length >= 6, `${rows.length} frames`)
      for (const [seen, src] of rows) {
        assert.equal(Number(seen), 0x4d4d)
        assert.match(src!, /^172\.31\.0\.[12],10\.9\.0\.[12]$/)
      }
      const arp = await capture.fields(`${filter} && arp`, key, 'eth.type')
      assert.ok(arp.length >= 2, 'ARP went by the tunnel')
      const wrong = 'ip.checksum.status == 0 || udp.checksum.status == 0'
      const bad = await capture.fields(wrong, 'ip.id')
      assert.equal(bad.length, 0)
    })

    test('IPv6 and fragments cross', async () => {
      await pinged('a', 'fd09::2')
      for (const address of ['10.9.0.2', 'fd09::2']) await pinged('a', address, 30_000)
    })

    test('TCP crosses whole (GSO)', async () => {
      const { end } = await streamed('a', 'b', '10.9.0.2', '200M')
      assert.ok((end.sum_received?.bytes ?? 0) >= 190e6, JSON.stringify(end))
      for (const deputy of deputies) {
        const counters = deputy.datapath.counters()
        assert.equal(counters.errors, 0)
        assert.ok(counters.hits! > counters.misses!)
      }
    })
  })
