// The walk by itself: a packet of a VM through bridge, router and bridge, in TypeScript alone.

import { loadPlugins } from '../../src/agent/plugins.ts'
import { Burst, DESCRIPTOR_WORDS, Descriptor } from '../../src/datapath/datapath.ts'
import type { MemoryDatapath } from '../../src/datapath/memory/memory.ts'
import { extract } from '../../src/flow/extract.ts'
import { WORDS } from '../../src/flow/key.ts'
import { median } from '../../src/lab/index.ts'
import { SimulationContext } from '../../src/simulation/context.ts'
import { simulate } from '../../src/simulation/simulate.ts'
import { Verdict } from '../../src/simulation/verdict.ts'
import { eth } from '../../src/wire/builder.ts'
import { World } from '../world/world.ts'

const V1 = '02:00:00:00:00:01'
const V2 = '02:00:00:00:00:02'
const R1 = '02:00:00:00:01:01'
const R2 = '02:00:00:00:02:01'
const IFINDEX = 10 // of the first interface of a world's host

// ports: under a rule that asks for them, so that every 5-tuple is a flow of its own.
async function openWorld(ports: boolean): Promise<World> {
  const port = (id: string, number: number, more: object) => ({
    kind: 'port',
    value: { id, number, ...more }
  })
  const world = new World({
    plugins: await loadPlugins(),
    objects: [
      { kind: 'bridge', value: { id: 'br1' } },
      { kind: 'bridge', value: { id: 'br2' } },
      { kind: 'router', value: { id: 'r' } },
      { kind: 'chain', value: { id: 'c', name: 'c' } },
      { kind: 'rule', value: { id: 'rule', chain: 'c', position: 1, action: 'drop', ...rule } },
      port('v1', 1, {
        type: 'bridge',
        device: 'br1',
        host: 'a',
        interface: 'i1',
        ...(ports ? { inFilter: 'c' } : {})
      }),
      port('v2', 2, { type: 'bridge', device: 'br2', host: 'a', interface: 'i2' }),
      port('b1r', 3, { type: 'bridge', device: 'br1', peer: 'rb1' }),
      port('rb1', 4, {
        type: 'router',
        device: 'r',
        peer: 'b1r',
        mac: R1,
        addresses: ['10.0.1.1/24']
      }),
      port('b2r', 5, { type: 'bridge', device: 'br2', peer: 'rb2' }),
      port('rb2', 6, {
        type: 'router',
        device: 'r',
        peer: 'b2r',
        mac: R2,
        addresses: ['10.0.2.1/24']
      })
    ]
  })
  world.exchange('v1', question(7))
  world.exchange('v2', eth(V2, R2).arpReply(V2, '10.0.2.11', R2, '10.0.2.1').frame())
  return world
}

const rule = {
  protocol: 17,
  fragmentPolicy: 'header',
  sourcePorts: { start: 2, end: 65_535 },
  destinationPorts: { start: 1, end: 1 }
}

const question = (port: number): Uint8Array =>
  eth(V1, R1).ipv4('10.0.1.11', '10.0.2.11').udp(port, 53).frame()

// Microseconds a walk, extraction included; the median of many rounds.
export async function measureWalk(): Promise<number> {
  const world = await openWorld(false)
  const ctx = new SimulationContext(world.hosts.get('a')!.host.view)
  const frame = question(2)
  const view = new DataView(frame.buffer)
  const key = new Int32Array(WORDS)
  const walks = 2000
  const rounds: number[] = []
  for (let round = 0; round < 200; round++) {
    const started = performance.now()
    for (let i = 0; i < walks; i++) {
      extract(key, 0, IFINDEX, 0, 0, view, 0, frame.length)
      ctx.key.load(key, 0)
      ctx.begin(0, view, 0, frame.length)
      if (simulate(ctx, 'v1') !== Verdict.forward)
        throw new Error(`dropped: ${ctx.outcome.dropReason}`)
    }
    rounds.push(((performance.now() - started) * 1000) / walks)
  }
  return median(rounds)!
}

// Flows a second through the worker and its book, without a kernel.
export async function measureFlows(): Promise<number> {
  const world = await openWorld(true)
  const { host, datapath } = world.hosts.get('a')!
  datapath.keeps = false
  const source = new Source(datapath)
  const rates: number[] = []
  for (let round = 0; round < 9; round++) {
    source.left = 10_000
    const started = performance.now()
    while (source.left > 0) host.worker.turn()
    rates.push(10_000 / ((performance.now() - started) / 1000))
    for (const id of [...host.worker.cache.table.ids()]) host.worker.cache.remove(id)
    host.worker.cache.flush()
  }
  return Math.round(median(rates)!)
}

// Stands where the kernel's ring is: each frame has a source port of its own.
class Source {
  left = 0
  #port = 0
  readonly #frame = question(1)

  constructor(datapath: MemoryDatapath) {
    datapath.receive = burst => this.#fill(burst)
    datapath.execute = () => {}
  }

  #fill(burst: Burst): number {
    burst.count = 0
    while (burst.count < Burst.FRAMES_MAX && this.left > 0) this.#next(burst)
    return burst.count
  }

  #next(burst: Burst): void {
    this.left--
    const at = burst.count * 128
    burst.bytes.set(this.#frame, at)
    burst.view.setUint16(at + 34, ++this.#port & 0xffff)
    const d = burst.count * DESCRIPTOR_WORDS
    burst.descriptors[d + Descriptor.offset] = at
    burst.descriptors[d + Descriptor.length] = this.#frame.length
    burst.descriptors[d + Descriptor.ifindex] = IFINDEX
    const end = at + this.#frame.length
    extract(burst.keys, burst.count * WORDS, IFINDEX, 0, 0, burst.view, at, end)
    burst.count++
  }
}
