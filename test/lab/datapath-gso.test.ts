// Large segments: TCP with every packet through Node, and tunnels that end in tunnels (a hairpin),
// where the kernel takes a packet for encapsulated already.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { PortClass } from '../../src/datapath/datapath.ts'
import { TunnelKind } from '../../src/flow/actions.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { eth } from '../../src/wire/builder.ts'
import { FrameBench, hex, until } from './datapath-frames.ts'
import { Bench, canRun, Deputy, L2, maskOf, netns, pinged, streamed } from './datapath-lab.ts'

// Bytes that a TCP stream has brought over when iperf3 stops sending; some are still on their way.
async function stream(from: string, to: string, address: string, bytes: string): Promise<number> {
  const { end } = await streamed(from, to, address, bytes)
  return end.sum_received?.bytes ?? 0
}

describe('datapath: TCP with every packet through Node', { skip: canRun }, () => {
  const bench = new Bench()
  let deputy: Deputy
  before(() => {
    bench.namespace('a', 'b', 'h')
    const a = { in: 'a', name: 'va', address: ['10.9.0.1/24', 'fd09::1/64'] }
    const b = { in: 'b', name: 'vb', address: ['10.9.0.2/24', 'fd09::2/64'] }
    bench.veth(a, { in: 'h', name: 'ha' })
    bench.veth(b, { in: 'h', name: 'hb' })
    const datapath = bench.open('h')
    const ports = [bench.attach('h', datapath, 'ha'), bench.attach('h', datapath, 'hb')]
    deputy = new Deputy(datapath, (frame, into) => {
      into.output(frame.ifindex === ports[0] ? ports[1]! : ports[0]!)
      deputy.seen.length = Math.min(deputy.seen.length, 20_000)
      return null
    })
  })
  after(() => bench.close())

  for (const address of ['10.9.0.2', 'fd09::2'])
    test(`to ${address}`, async () => {
      deputy.seen.length = 0
      assert.ok((await stream('a', 'b', address, '100M')) > 80e6)
      const large = deputy.seen.filter(({ gsoSize, bytes }) => gsoSize > 0 && bytes.length > 9000)
      assert.ok(large.length > 100, 'segments came up whole')
    })
})

const kinds = Object.entries(TunnelKind)
for (const [firstName, first] of kinds)
  for (const [secondName, second] of kinds)
    describe(`datapath: hairpin ${firstName} to ${secondName}`, { skip: canRun }, () => {
      const bench = new Bench()
      const deputies: Deputy[] = []
      before(() => hairpin(bench, deputies, first, second))
      after(() => bench.close())

      test('ping of both families, ARP and ND', async () => {
        for (const address of ['10.9.0.2', 'fd09::2']) await pinged('a', address, 1300)
      })

      test('TCP of both families', async () => {
        for (const address of ['10.9.0.2', 'fd09::2'])
          assert.ok((await stream('a', 'b', address, '20M')) > 10e6, address)
        const counters = deputies.map(({ datapath }) => datapath.counters())
        assert.ok(counters.every(({ errors }) => errors === 0))
      })
    })

// a - h1 =first= h2 =second= h3 - b: h2 has nothing but tunnels.
function hairpin(bench: Bench, deputies: Deputy[], first: number, second: number): void {
  bench.namespace('a', 'b', 'h1', 'h2', 'h3')
  const mtu = 1450
  const a = { in: 'a', name: 'va', mtu, address: ['10.9.0.1/24', 'fd09::1/64'] }
  const b = { in: 'b', name: 'vb', mtu, address: ['10.9.0.2/24', 'fd09::2/64'] }
  bench.veth(a, { in: 'h1', name: 'ha' })
  bench.veth(b, { in: 'h3', name: 'hb' })
  const left = { in: 'h2', name: 'left', address: ['172.31.1.2/24'] }
  const right = { in: 'h2', name: 'right', address: ['172.31.3.2/24'] }
  bench.veth({ in: 'h1', name: 'u1', address: ['172.31.1.1/24'] }, left)
  bench.veth({ in: 'h3', name: 'u3', address: ['172.31.3.3/24'] }, right)
  for (const [host, vm, underlay, local, remote, kind] of [
    ['h1', 'ha', 'u1', '172.31.1.1', '172.31.1.2', first],
    ['h3', 'hb', 'u3', '172.31.3.3', '172.31.3.2', second]
  ] as const) {
    const datapath = bench.open(host)
    const port = bench.attach(host, datapath, vm)
    const outer = bench.attach(host, datapath, underlay, PortClass.tunnel)
    const decide = new Deputy(datapath, (frame, into) => {
      if (frame.key[1] !== 0) into.output(port)
      else into.tunnel(kind, 7, parseIpv4(remote), parseIpv4(local), outer)
      return L2
    })
    deputies.push(decide)
  }
  const datapath = bench.open('h2')
  const l = bench.attach('h2', datapath, 'left', PortClass.tunnel)
  const r = bench.attach('h2', datapath, 'right', PortClass.tunnel)
  const middle = new Deputy(datapath, (frame, into) => {
    if (frame.ifindex === l)
      into.tunnel(second, 8, parseIpv4('172.31.3.3'), parseIpv4('172.31.3.2'), r)
    else into.tunnel(first, 9, parseIpv4('172.31.1.1'), parseIpv4('172.31.1.2'), l)
    return L2
  })
  deputies.push(middle)
}

// A virtual machine's side of a tap: sends every frame back with its addresses swapped.
const ECHO = `
import fcntl, os, struct, sys
f = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(f, 0x400454ca, struct.pack('16sH22x', b'tap0', 0x1002))
os.system('ip link set tap0 up')
print('up', flush=True)
while True:
    p = os.read(f, 65536)
    os.write(f, p[6:12] + p[0:6] + p[12:])
`
const noTap = canRun || (existsSync('/dev/net/tun') ? false : 'needs /dev/net/tun')

test('datapath: a tap is a port like any other', { skip: noTap }, async () => {
  const at = new FrameBench(2)
  const args = ['netns', 'exec', netns('h'), 'python3', '-c', ECHO]
  const machine = spawn('ip', args, { stdio: ['ignore', 'pipe', 'inherit'] })
  try {
    await Promise.race([once(machine.stdout, 'data'), once(machine, 'exit')])
    assert.equal(machine.exitCode, null, 'the machine runs')
    await until(() => at.datapath.interfaces.byName('tap0') !== undefined)
    const tap = at.bench.attach('h', at.datapath, 'tap0')
    at.decide((frame, into) => {
      into.output(frame.ifindex === tap ? at.ports[1]! : tap)
      return maskOf(0, 4, 5, 6)
    })
    const [a, b] = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const
    const to = eth(a, b).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).payload(64).frame()
    const back = eth(b, a).ipv4('10.0.0.1', '10.0.0.2').udp(1, 2).payload(64).frame()
    for (let i = 0; i < 3; i++) {
      at.send(0, to)
      assert.deepEqual(
        (await at.arrivals(1)).map(({ port, bytes }) => [port, hex(bytes)]),
        [[1, hex(back)]]
      )
    }
    assert.equal(at.datapath.counters().hits, 4)
  } finally {
    machine.kill('SIGKILL')
    at.close()
  }
})
