// Flow state in the kernel's datapath: flows that depend on it across agents, the messages between
// hosts that pass by to a socket, and probes, which a kernel answers whose agent is gone.

import assert from 'node:assert/strict'
import { createSocket, type Socket } from 'node:dgram'
import { after, afterEach, before, describe, test } from 'node:test'
import { FlowBatch, PortClass, Reason } from '../../src/datapath/datapath.ts'
import { ActionList, TunnelKind } from '../../src/flow/actions.ts'
import { Word } from '../../src/flow/key.ts'
import { parseIpv4 } from '../../src/wire/address.ts'
import { eth } from '../../src/wire/builder.ts'
import { FrameBench, hex, until } from './datapath-frames.ts'
import { type Bench, canRun, maskOf } from './datapath-lab.ts'

const PEER = '02:00:00:00:31:02'
const OURS = '02:00:00:00:31:01'
const [peer, ours] = ['172.31.0.2', '172.31.0.1'] as const
const STATE_KEY = 0xffffff
const [PROBE, ANSWER] = [0x50, 0x51]

const bytesOf = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)
// What stands behind the UDP header: VXLAN, and some bytes for a payload.
const vxlan = (key: number, reserved: number): Uint8Array =>
  bytesOf(
    8,
    0,
    0,
    0,
    key >>> 16,
    key >>> 8,
    key,
    reserved,
    ...Array.from({ length: 61 }, (_, i) => i)
  )

interface Way {
  readonly macs: readonly [string, string] // to, from as eth() has them: source, destination
  readonly src: string
  readonly dst: string
  readonly ports: readonly [number, number]
}
const TO_US: Way = { macs: [PEER, OURS], src: peer, dst: ours, ports: [4789, 4789] }
const datagram = ({ macs, src, dst, ports }: Way, payload: Uint8Array): Uint8Array =>
  eth(macs[0], macs[1])
    .ipv4(src, dst, { tos: 0xb8, id: 7 })
    .udp(ports[0], ports[1])
    .payload(payload)
    .frame()
const withoutSum = (frame: Uint8Array): Uint8Array => frame.slice().fill(0, 40, 42)

// A UDP socket of the namespace: it is bound before the thread comes back from there.
function socketIn(bench: Bench, port: number): { socket: Socket; got: string[] } {
  const got: string[] = []
  const lookup = (host: string, _: unknown, done: (e: null, a: string, f: 4) => void): void =>
    done(null, host, 4)
  const socket = createSocket({ type: 'udp4', lookup: lookup as never })
  socket.on('message', message => got.push(hex(message)))
  bench.inside('h', () => socket.bind(port, ours))
  assert.equal(socket.address().port, port)
  return { socket, got }
}

// Port 1 is the underlay.
function openUnderlay(pins?: string): FrameBench {
  const at = new FrameBench(2, pins === undefined ? {} : { pins, injectName: 'mzdp' })
  at.bench.sh('h', `ip link set h1 address ${OURS}`)
  at.bench.sh('h', `ip addr add ${ours}/24 dev h1`)
  at.bench.sh('h', `ip neigh add ${peer} lladdr ${PEER} dev h1 nud permanent`)
  at.datapath.detach(at.ports[1]!)
  at.bench.attach('h', at.datapath, 'h1', PortClass.tunnel)
  at.datapath.setPeers([parseIpv4(peer)])
  return at
}

const learned = (at: FrameBench): Promise<void> =>
  until(() => at.datapath.interfaces.addressesOf(at.ports[1]!).length > 0)

describe('datapath: the messages of flow state', { skip: canRun }, () => {
  let at: FrameBench
  let socket: Socket
  let got: string[]
  before(async () => {
    at = openUnderlay()
    await learned(at)
    ;({ socket, got } = socketIn(at.bench, 4789))
  })
  afterEach(() => {
    got.length = at.under.seen.length = at.outside.seen.length = 0
  })
  after(() => {
    socket?.close()
    at?.close()
  })
  const probes = (): number => at.datapath.counters().probes!
  const strangers = (): number => at.datapath.counters()['strange-probes']!

  test('B6: nothing is taken out of a tunnel whose outer header has a wrong sum', async () => {
    const spoilt = (frame: Uint8Array): Uint8Array => {
      const copy = frame.slice()
      copy[24]! ^= 1
      return copy
    }
    const bad = [STATE_KEY - 1, STATE_KEY].map(key => spoilt(datagram(TO_US, vxlan(key, PROBE))))
    at.send(1, ...bad, datagram(TO_US, vxlan(STATE_KEY - 2, PROBE)))
    const up = await at.upcalls(1)
    assert.deepEqual(
      up.map(({ key }) => key[Word.tunnelKey]),
      [STATE_KEY - 2]
    )
    assert.equal(probes(), 0)
  })

  test('VXLAN with their key reaches the socket, other keys the datapath', async () => {
    const [message, answer] = [vxlan(STATE_KEY, 0), vxlan(STATE_KEY, ANSWER)]
    at.send(1, datagram(TO_US, message), withoutSum(datagram(TO_US, answer)))
    at.send(1, datagram(TO_US, vxlan(STATE_KEY - 1, PROBE)))
    await until(() => got.length >= 2)
    assert.deepEqual(got, [hex(message), hex(answer)])
    const up = await at.upcalls(1)
    assert.deepEqual(
      up.map(({ key, reason }) => [key[Word.tunnelKey], reason]),
      [[STATE_KEY - 1, Reason.miss]]
    )
    assert.equal(probes(), 0)
  })

  test('in GRE the same key is one like any other', async () => {
    const inner = eth('02:00:00:00:00:01', '02:00:00:00:00:02').ipv4('10.0.0.1', '10.0.0.2')
    const gre = bytesOf(0x20, 0, 0x65, 0x58, 0, 0xff, 0xff, 0xff, ...inner.udp(1, 2).frame(60))
    at.send(1, eth(PEER, OURS).ipv4(peer, ours, { protocol: 47 }).payload(gre).frame())
    const [up] = await at.upcalls(1)
    assert.equal(up!.key[Word.tunnelKey], STATE_KEY)
  })

  test('a probe comes back as its answer, and nobody but the kernel sees it', async () => {
    const way = { ...TO_US, ports: [50_001, 4789] } as const
    const back = { macs: [OURS, PEER], src: ours, dst: peer, ports: [4789, 50_001] } as const
    const asked = datagram(way, vxlan(STATE_KEY, PROBE))
    const answered = datagram(back, vxlan(STATE_KEY, ANSWER))
    const before = probes()
    at.send(1, asked, withoutSum(asked))
    const arrivals = await at.arrivals(2)
    assert.deepEqual(
      arrivals.map(({ port, bytes }) => [port, hex(bytes)]),
      [
        [1, hex(answered)],
        [1, hex(withoutSum(answered))]
      ]
    )
    assert.equal(probes() - before, 2)
    assert.deepEqual([got, at.under.seen], [[], []])
  })

  test('C11: a probe of who is no host of ours is dropped, and counted', async () => {
    const before = [probes(), strangers()]
    const stranger = datagram({ ...TO_US, src: '172.31.0.66' }, vxlan(STATE_KEY, PROBE))
    const count = 200
    at.send(1, ...Array.from({ length: count }, () => stranger))
    at.send(1, datagram(TO_US, vxlan(STATE_KEY, PROBE)))
    const arrivals = await at.arrivals(1)
    assert.deepEqual(
      arrivals.map(({ bytes }) => hex(bytes.subarray(30, 34))),
      ['ac1f0002']
    )
    assert.deepEqual([probes() - before[0]!, strangers() - before[1]!], [1, count])
    assert.deepEqual([got, at.under.seen], [[], []])
  })

  test('C11: who leaves the zone is answered no longer', async () => {
    const ask = async (): Promise<number> => {
      const before = probes()
      at.send(1, datagram(TO_US, vxlan(STATE_KEY, PROBE)))
      await until(() => probes() + strangers() > before + strangersBefore)
      return probes() - before
    }
    let strangersBefore = strangers()
    at.datapath.setPeers([parseIpv4('172.31.0.7')])
    assert.equal(await ask(), 0)
    strangersBefore = strangers()
    at.datapath.setPeers([parseIpv4('172.31.0.7'), parseIpv4(peer)])
    assert.equal(await ask(), 1)
    assert.equal((await at.arrivals(1)).length, 1)
  })

  test('a probe for another host is none of ours', async () => {
    const before = probes()
    at.send(1, datagram({ ...TO_US, dst: '172.31.0.9' }, vxlan(STATE_KEY, PROBE)))
    at.send(1, datagram(TO_US, vxlan(STATE_KEY, PROBE)))
    assert.equal((await at.arrivals(1)).length, 1)
    assert.equal(probes() - before, 1)
  })
})

describe('datapath: flow state without an agent', { skip: canRun }, () => {
  test('probes are answered, stateful flows stay so and are handed on', async () => {
    const pins = '/run/mz-dp-state'
    const at = openUnderlay(pins)
    at.bench.directory(pins)
    try {
      await learned(at)
      const tcp = (flags: string): Uint8Array =>
        eth(PEER, OURS).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2, { flags }).frame(60)
      const [actions, batch] = [new ActionList(), new FlowBatch()]
      const mask = maskOf(Word.inPort, Word.l4Ports)
      actions.output(at.ports[0]!)
      at.send(0, tcp('A'))
      const [seen] = await at.upcalls(1)
      batch.add(1, seen!.key, mask.words, 0, actions, 0, true)
      at.datapath.install(batch)
      at.send(0, tcp('A'))
      assert.equal((await at.arrivals(1)).length, 1)
      at.datapath.close(true)

      at.send(1, datagram(TO_US, vxlan(STATE_KEY, PROBE)))
      const [answer] = await at.arrivals(1)
      assert.equal(answer?.bytes[49], ANSWER)
      at.send(0, tcp('S'), tcp('A'))
      const passed = await at.arrivals(1)
      assert.deepEqual(
        passed.map(({ bytes }) => hex(bytes)),
        [hex(tcp('A'))]
      )

      const next = at.bench.open('h', { pins, injectName: 'mzdp' })
      assert.equal(next.adopt(batch), true)
      assert.deepEqual([batch.count, batch.stateful[0]], [1, 1])
      assert.equal(batch.actionCount[0], 1)
    } finally {
      at.close()
    }
  })
})

describe('datapath: a held frame', { skip: canRun }, () => {
  test('of many segments leaves as many, by an interface and by a tunnel', async () => {
    const at = openUnderlay()
    try {
      await learned(at)
      const big = eth(PEER, OURS).ipv4('10.0.0.1', '10.0.0.2').tcp(1, 2).payload(8000).frame()
      const [plain, tunnelled] = [new ActionList(), new ActionList()]
      plain.output(at.ports[0]!)
      tunnelled.tunnel(TunnelKind.vxlan, 5, parseIpv4(peer), parseIpv4(ours), at.ports[1]!)
      at.datapath.inject(big, plain, 1000)
      at.datapath.inject(big, tunnelled, 1000)
      at.datapath.flush()
      await until(() => at.outside.seen.length >= 2)
      assert.deepEqual(
        at.outside.seen.map(({ gsoSize, bytes }) => [gsoSize, bytes.length]),
        [
          [1000, big.length],
          [1000, big.length + 50]
        ]
      )
      assert.equal(at.datapath.counters().errors, 0)
    } finally {
      at.close()
    }
  })
})
