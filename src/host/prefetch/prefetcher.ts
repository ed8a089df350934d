// Packets that are to be expected.  Other hosts share the state of connections whose other half
// may come in here: when their gateway dies, or a port moves, a thousand packets come at once, to a
// host that has never walked one of them.  Measured with 1000 connections: a gateway that took over
// loaded filters, devices and tunnels one after the other for 320 ms, and lost most packets
// meanwhile.  So for each path that shared connections take, one packet of each direction that may
// come in here has a dry run when the first such record comes: what its walk needs is there before
// the packet is.

import type { Clock, Timer } from '../../core/clock.ts'
import type { Port, PortId } from '../../simulation/device.ts'
import { hasReturn, RECORD_WORDS, RecordWord } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'
import type { PortGroupModel, PortModel } from '../../topology/models.ts'
import type { TopologyView } from '../../topology/view.ts'
import type { HostEvents } from '../events.ts'
import type { DryRun } from './dry-run.ts'
import { anyKey, frameOf } from './expected-frame.ts'

/** What a prefetcher is made of. */
export interface PrefetcherParts {
  /** Id of this host. */
  readonly host: string
  readonly view: TopologyView
  readonly table: StateTable
  readonly clock: Clock
  /** What walks the packets that are expected. */
  readonly dryRun: Pick<DryRun, 'expect' | 'isBusyAt'>
  readonly events: HostEvents
}

const SLICE = 512 // records looked at in one turn
const PAUSE_MS = 2
const PREPARE_MS_MAX = 150 // a port waits for what its packets will need
const PATHS_MAX = 4096 // remembered; then all are new again
const PORT_RANGE = 2 ** 24
const EXPECT_MS = 5000 // a next hop may have been away when it was asked for

interface Patience {
  isOver: boolean
  readonly timer: Timer
}

interface Entrance {
  readonly port: Port
  readonly macs: readonly number[] // of the ports that its packets go to
}

/** Finds out which packets are to be expected, and has their walks prepared. */
export class Prefetcher {
  readonly #parts: PrefetcherParts
  readonly #records = new Int32Array(SLICE * RECORD_WORDS)
  readonly #idleMs = new Float64Array(SLICE)
  readonly #paths = new Set<number>() // that were looked at
  #local = new Map<number, Entrance[]>() // by number of a port: ours that stand in for it
  #isLocalKnown = false
  #text = '' // of #local, to tell whether it has changed
  #standing: readonly Port[] = [] // ours by which the traffic of other hosts may come to leave
  #patrol: Timer | null = null
  #cursor = 1
  #isNew = false // records have come since the pass began
  #isClosed = false
  #timer: Timer | null = null
  #greeted = new Set<string>() // ports with others behind them, tried once
  readonly #preparing = new Map<PortId, Patience>()

  constructor(parts: PrefetcherParts) {
    this.#parts = parts
    parts.events.imported.on(() => this.#imported())
    parts.events.topologyChanged.on(() => this.#topologyChanged())
  }

  // Records have come from other hosts.
  #imported(): void {
    this.#isNew = true
    this.#arm()
  }

  /** Whether what the packets of a port will need is here: if not, they would wait for it. */
  isPrepared(port: PortId): boolean {
    const { clock, dryRun, events } = this.#parts
    const isUnderWay = this.#timer !== null || dryRun.isBusyAt(port)
    const late = this.#preparing.get(port)
    if (!isUnderWay || late?.isOver === true) {
      late?.timer.cancel()
      this.#preparing.delete(port)
      return true
    }
    if (late !== undefined) return false
    const over = (): void => {
      patience.isOver = true
      events.bindingsChanged()
    }
    const patience = { isOver: false, timer: clock.after(PREPARE_MS_MAX, over) }
    this.#preparing.set(port, patience)
    return false
  }

  #topologyChanged(): void {
    this.#isLocalKnown = false
    this.#arm()
  }

  /** Expects nothing more. */
  stop(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#patrol?.cancel()
    for (const { timer } of this.#preparing.values()) timer.cancel()
  }

  #arm(): void {
    if (this.#isClosed) return
    this.#timer ??= this.#parts.clock.after(PAUSE_MS, () => this.#turn())
  }

  // A slice a turn, until nothing new has come since a pass began.
  #turn(): void {
    this.#timer = null
    if (!this.#isLocalKnown) this.#findLocal()
    if (this.#cursor === 1 && !this.#isNew) {
      if (this.#preparing.size > 0) this.#parts.events.bindingsChanged()
      return
    }
    if (this.#cursor === 1) this.#isNew = false
    const { table } = this.#parts
    const n = table.scan(this.#cursor, this.#records, this.#idleMs)
    this.#cursor = table.next === 0 ? 1 : table.next
    for (let i = 0; i < n; i++) this.#look(i * RECORD_WORDS)
    if (this.#cursor !== 1 || this.#isNew) this.#arm()
    else if (this.#preparing.size > 0) this.#parts.events.bindingsChanged()
  }

  #look(at: number): void {
    const records = this.#records
    const ingress = records[at + RecordWord.ingress]!
    const egress = records[at + RecordWord.egress]!
    const kind = records[at]! >>> 16
    const path = (kind * PORT_RANGE + ingress) * PORT_RANGE + egress
    if (this.#paths.has(path)) return
    if (this.#paths.size >= PATHS_MAX) this.#paths.clear()
    this.#paths.add(path)
    this.#expect(ingress, at + RecordWord.a)
    if (hasReturn(records, at)) this.#expect(egress, at + RecordWord.b)
  }

  #expect(number: number, key: number): void {
    for (const { port, macs } of this.#local.get(number) ?? []) {
      if (macs.length === 0) this.#parts.view.device(port.kind, port.device) // not known yet
      for (const mac of macs) {
        const frame = frameOf(this.#records, key, mac)
        if (frame !== undefined) this.#parts.dryRun.expect(port.id, frame)
      }
    }
  }

  // Whom a frame that comes in is for: the port itself, or those linked to its device.
  #macsBehind(port: Port, known: Map<string, readonly number[]>): readonly number[] {
    if (port.mac !== 0) return [port.mac]
    const before = known.get(port.device)
    if (before !== undefined) return before
    const { view } = this.#parts
    const peers = view.portsOf(port.device).flatMap(({ peer }) => (peer === null ? [] : [peer]))
    const macs = peers.flatMap(id => view.port(id)?.mac || [])
    known.set(port.device, macs)
    return macs
  }

  // Next hops are asked for, and what devices need for it is loaded.
  #expectLeaving(): void {
    const { clock, view } = this.#parts
    for (const { id, kind, device } of this.#standing) view.device(kind, device)?.expect?.(id)
    this.#patrol?.cancel()
    this.#patrol = null
    if (this.#standing.length > 0)
      this.#patrol = clock.after(EXPECT_MS, () => this.#expectLeaving())
  }

  // Without state to foretell it: any packet of a port that is new here.
  #greet(): void {
    const before = this.#greeted
    this.#greeted = new Set()
    for (const { port, macs } of [...this.#local.values()].flat())
      for (const mac of macs) {
        const path = `${port.id} ${mac}`
        const frame = frameOf(anyKey(), 0, mac)
        if (frame !== undefined && !before.has(path)) this.#parts.dryRun.expect(port.id, frame)
        this.#greeted.add(path)
      }
  }

  // The ports that share the state of their connections with this one.
  #groupOf(id: string): Port[] {
    const { view } = this.#parts
    view.need({ kind: 'port-group', field: 'ports', value: id })
    return view
      .where<PortGroupModel>('port-group', 'ports', id)
      .filter(group => group.stateful === true)
      .flatMap(group => (group.ports ?? []).flatMap(member => view.port(member) ?? []))
  }

  #findLocal(): void {
    const { host, view } = this.#parts
    const local = new Map<number, Entrance[]>()
    const macs = new Map<string, readonly number[]>()
    const standing: Port[] = []
    const add = (number: number, port: Port): void => {
      const entrances = local.get(number) ?? []
      if (entrances.some(each => each.port === port)) return
      local.set(number, [...entrances, { port, macs: this.#macsBehind(port, macs) }])
    }
    for (const { id } of view.where<PortModel>('port', 'host', host)) {
      const port = view.port(id)
      if (!port) continue
      add(port.number, port)
      if (!port.isUplink) continue
      const members = this.#groupOf(id)
      if (members.length > 0) standing.push(port)
      for (const { number } of members) add(number, port)
    }
    this.#local = local
    this.#isLocalKnown = true
    this.#greet()
    this.#standing = standing
    this.#expectLeaving()
    const text = JSON.stringify([...local].map(([n, es]) => [n, es.map(e => [e.port.id, e.macs])]))
    if (text === this.#text) return
    this.#text = text
    this.#paths.clear()
    this.#cursor = 1
    this.#isNew = this.#parts.table.size > 0
  }
}
