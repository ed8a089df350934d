// Around a datapath that passes the conformance test, decorators that only watch pass it too. What
// a capture says is read by tshark; what fails by chance loses no frame but those it counts.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { datapathConformance } from '../../../test/datapath/conformance.ts'
import { Topology } from '../../../test/world/objects.ts'
import { World, type WorldOptions } from '../../../test/world/world.ts'
import { loadPlugins } from '../../agent/plugins.ts'
import { VirtualClock } from '../../core/clock.ts'
import { openLog, silentLog } from '../../core/log.ts'
import { SeededRandom } from '../../core/random.ts'
import { eth } from '../../wire/builder.ts'
import { MemoryDatapath } from '../memory/memory.ts'
import { CaptureDatapath } from './capture.ts'
import { CaptureFile } from './capture-file.ts'
import { type DatapathDebug, decorate } from './decorate.ts'
import { FaultyDatapath } from './faults.ts'
import { TraceDatapath } from './trace.ts'

const PORTS = [11, 12, 13]
const plugins = await loadPlugins()
const noTshark = spawnSync('tshark', ['--version']).error ? 'tshark is not installed' : false

const nothing: DatapathDebug = {
  ...{ trace: false, capture: '', captureBytesMax: 65_536, seed: 1 },
  ...{ lostPerMille: 0, refusedPerMille: 0, vanishedPerMille: 0 }
}

function openDecorated(options: { flowsMax?: number; creditsPerPort?: number }) {
  const out: { port: number; bytes: Uint8Array }[] = []
  const memory = new MemoryDatapath(
    { output: (ifindex, bytes) => out.push({ port: PORTS.indexOf(ifindex), bytes }), tunnel() {} },
    { now: () => 0, ...options }
  )
  const clock = new VirtualClock()
  const sink = { write: () => true, close: () => {} }
  const faulty = new FaultyDatapath(memory, nothing, new SeededRandom(1))
  const datapath = new TraceDatapath(new CaptureDatapath(faulty, sink, clock), silentLog(), clock)
  for (const ifindex of PORTS)
    datapath.attach({ ifindex, name: `i${ifindex}`, portClass: 0, peerRedirect: false })
  return {
    ...{ datapath, ports: PORTS },
    send: (port: number, ...frames: readonly Uint8Array[]) => {
      for (const frame of frames) memory.input(PORTS[port]!, frame)
    },
    arrivals: async () => out.splice(0),
    until: async () => {},
    close: () => datapath.close(false)
  }
}

datapathConformance('memory, watched', openDecorated)

const MACS = ['02:00:00:00:00:0a', '02:00:00:00:00:0b']

/** Two VMs of a bridge on two hosts, behind a chain that drops one port of UDP. */
function topology(): Topology {
  const filtered = { inFilter: 'guard' }
  return new Topology()
    .bridge('b')
    .edge('a', 'b', 'h1', filtered)
    .edge('c', 'b', 'h2')
    .add('chain', 'guard', { name: 'guard' })
    .rule('guard', 1, 'drop', { protocol: 17, destinationPorts: { start: 7, end: 7 } })
}

const udp = (from: number, port: number, n = 0): Uint8Array =>
  eth(MACS[from]!, MACS[1 - from]!)
    .ipv4(`10.0.0.${from + 1}`, `10.0.0.${2 - from}`, { id: n })
    .udp(5000, port)
    .payload(8)
    .frame()

test('a capture tells of each frame what became of it', { skip: noTshark }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-capture-'))
  const file = join(folder, 'frames.pcapng')
  try {
    const ended = Promise.withResolvers<void>()
    const sink = new CaptureFile(file, 1 << 20, reason => ended.reject(new Error(reason)))
    const close = sink.close.bind(sink)
    sink.close = () => close(ended.resolve)
    let isFirst = true
    const around: WorldOptions['around'] = inner => {
      if (!isFirst) return inner
      isFirst = false
      return new CaptureDatapath(inner, sink, new VirtualClock())
    }
    const world = new World({ plugins, objects: topology().objects, around })
    world.settle(50)
    for (let n = 0; n < 2; n++) world.exchange('a', udp(0, 9 + n))
    world.exchange('a', udp(0, 7))
    await world.hosts.get('h1')!.host.stop(false)
    await ended.promise
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const fields = ['frame.interface_name', 'udp.dstport', 'frame.comment']
    const wanted = fields.flatMap(field => ['-e', field])
    const { stdout } = spawnSync('tshark', ['-r', file, '-T', 'fields', ...wanted], {
      encoding: 'utf8'
    })
    assert.match(stdout, /^a\t10\tmiss: .*key \d+$/m)
    assert.match(stdout, /^a\t7\tmiss: drop firewall\.rule$/m)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a trace has a line for each frame and each flow', () => {
  const lines: Record<string, unknown>[] = []
  const log = openLog({ level: 'info' }, { write: line => lines.push(JSON.parse(line)) })
  const around: WorldOptions['around'] = inner => new TraceDatapath(inner, log, new VirtualClock())
  const world = new World({ plugins, objects: topology().objects, around })
  world.settle(50)
  lines.length = 0
  world.exchange('a', udp(0, 7))
  const said = lines.map(({ msg }) => msg)
  assert.deepEqual(said, ['frame came up', 'frame dropped', 'flow installed'])
  assert.match(String(lines[0]!.flowKey), /l4_dst=7/)
})

test('a rate of lines is kept, and what is left out counted', () => {
  const lines: string[] = []
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const memory = new MemoryDatapath({ output() {}, tunnel() {} }, { now: () => 0 })
  const datapath = new TraceDatapath(memory, log, new VirtualClock())
  for (let i = 0; i < 1500; i++) datapath.detach(i)
  assert.equal(lines.length, 1000)
  assert.equal(datapath.counters()['trace-left-out'], 500)
})

test('what fails by chance loses what it counts as lost, and nothing else', () => {
  const faults = { lostPerMille: 200, refusedPerMille: 300, vanishedPerMille: 300 }
  let seed = 1
  const faulty: FaultyDatapath[] = []
  const around: WorldOptions['around'] = inner => {
    faulty.push(new FaultyDatapath(inner, faults, new SeededRandom(seed++)))
    return faulty.at(-1)!
  }
  const world = new World({ plugins, objects: topology().objects, around })
  world.settle(50)
  const count = (name: string): number =>
    faulty.reduce((sum, each) => sum + each.counters()[name]!, 0)
  for (let n = 0; n < 5; n++) for (const from of [0, 1]) world.exchange('ac'[from]!, udp(from, 9))
  const lostBefore = count('fault-lost')
  const got: number[] = []
  for (let n = 0; n < 400; n++) {
    const from = n % 2
    for (const { port } of world.exchange('ac'[from]!, udp(from, 10 + (n % 50), n)))
      if (port === 'ca'[from]) got.push(n)
  }
  assert.equal(new Set(got).size, got.length, 'a frame came twice')
  assert.equal(got.length + count('fault-lost') - lostBefore, 400)
  for (const name of ['fault-lost', 'fault-refused', 'fault-vanished'])
    assert.ok(count(name) > 0, name)
})

test('nothing is around a datapath for which nothing is asked', () => {
  const memory = new MemoryDatapath({ output() {}, tunnel() {} }, { now: () => 0 })
  const given = { clock: new VirtualClock(), log: silentLog() }
  assert.equal(decorate(memory, undefined, given), memory)
  assert.ok(decorate(memory, { ...nothing, trace: true }, given) instanceof TraceDatapath)
  assert.ok(decorate(memory, { ...nothing, lostPerMille: 1 }, given) instanceof FaultyDatapath)
})
