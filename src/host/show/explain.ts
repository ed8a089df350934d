// A host told to people: its flows as lines, and the walk a described packet would take.
// test/api/trace.test.ts holds it.

import type { Clock } from '../../core/clock.ts'
import { sleep } from '../../core/clock.ts'
import { describeActions, describeKey } from '../../flow/describe.ts'
import { extract } from '../../flow/extract.ts'
import { WORDS } from '../../flow/key.ts'
import { exceeds, measure } from '../../flow/size.ts'
import { SimulationContext } from '../../simulation/context.ts'
import { simulate } from '../../simulation/simulate.ts'
import { LineTrace } from '../../simulation/trace.ts'
import { Verdict } from '../../simulation/verdict.ts'
import { StateAccess } from '../../state/access.ts'
import type { Host } from '../host.ts'
import { Egress } from '../ports/egress.ts'
import { isForNeighbour } from '../waits.ts'

/** A flow, for people. */
export interface FlowText {
  /** Its number on this host. */
  readonly id: number
  /** The fields that matter, `name=value` joined by commas. */
  readonly key: string
  /** The masks of those fields. */
  readonly mask: string
  /** A line each. */
  readonly actions: readonly string[]
  /** Since it was made. */
  readonly packets: number
  /** Since it was made. */
  readonly bytes: number
  /** Since it was made. */
  readonly ageMs: number
  /** Since its last packet. */
  readonly idleMs: number
}

/** The first flows of a host, `limit` at most. */
export function flowTexts({ worker }: Host, now: number, limit: number): FlowText[] {
  const texts: FlowText[] = []
  for (const id of worker.cache.table.ids()) {
    if (texts.length === limit) break
    const flow = worker.cache.get(id)!
    texts.push({
      id,
      key: describeKey(worker.cache.table.key(id), worker.cache.table.mask(id)).join(','),
      mask: [...worker.cache.table.mask(id)].map(hex).join(''),
      actions: describeActions(flow.actions),
      packets: flow.packets,
      bytes: flow.bytes,
      ageMs: Math.round(now - flow.createdMs),
      idleMs: Math.round(now - flow.usedMs)
    })
  }
  return texts
}

/** A walk, for people. */
export interface Traced {
  /** Step by step. */
  readonly lines: readonly string[]
  /** How it ended. */
  readonly verdict: string
  /** null: it was not dropped. */
  readonly dropReason: string | null
  /** What its flow would ask for. */
  readonly mask: readonly string[]
  /** What its flow would do. */
  readonly actions: readonly string[]
  /** What its outcome depended on. */
  readonly tags: readonly string[]
}

const TRACE_TRIES_MAX = 200
const TRACE_PAUSE_MS = 10

/**
 * Walks the frame as if it had come in by the port. Nothing is sent, learned or remembered; what
 * the walk lacks is waited for a little, as a real packet would.
 */
export async function trace(
  host: Host,
  clock: Clock,
  port: string,
  frame: Uint8Array
): Promise<Traced> {
  const { table, access } = host.replication.flowState
  const ctx = new SimulationContext(host.view, new StateAccess(table, access.kinds))
  ctx.dryRun = true
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  const key = new Int32Array(WORDS)
  extract(key, 0, 0, 0, 0, view, 0, frame.length)
  for (let tries = 0; ; tries++) {
    const lines = new LineTrace()
    ctx.trace = lines
    ctx.key.load(key, 0)
    ctx.begin(clock.now(), view, 0, frame.length)
    const verdict = simulate(ctx, port)
    if (verdict !== Verdict.postpone || tries === TRACE_TRIES_MAX) {
      const traced = conclude(ctx, verdict, lines.lines)
      return { ...traced, lines: [...traced.lines, ...sizeLines(host, ctx, verdict)] }
    }
    // A neighbour nobody asks about will not come: say so at once.
    if (isForNeighbour(ctx.outcome.waitingFor)) return conclude(ctx, verdict, lines.lines)
    await sleep(clock, TRACE_PAUSE_MS)
  }
}

// Said only of what does not fit where it leaves, which is cut or answered, or lost at a bridge.
function sizeLines(host: Host, ctx: SimulationContext, verdict: Verdict): string[] {
  const raw = ctx.raw()
  const out = new Egress(host.bindings)
  if (verdict !== Verdict.forward || raw === undefined || !out.translate(ctx)) return []
  const body = measure({ size: 0, tags: 0 }, raw.view, raw.at, raw.end, 0)
  if (!exceeds(body, out.limits)) return []
  const { mtu, room } = out.limits
  const takes = [mtu > 0 ? `the interface ${mtu}` : '', room > 0 ? `the tunnel ${room}` : '']
  const told = ctx.forwarder === null ? '' : '; the last router cuts it or tells the sender'
  return [`too big: ${body.size} bytes, ${takes.filter(Boolean).join(', ')}${told}`]
}

function conclude(ctx: SimulationContext, verdict: Verdict, walked: string[]): Traced {
  const lines = [...walked]
  if (verdict === Verdict.postpone) lines.push(`wait for ${ctx.outcome.waitingFor}`)
  else if (verdict === Verdict.drop) lines.push(`drop ${ctx.outcome.dropReason}`)
  else if (verdict === Verdict.consume) lines.push('answered here')
  return {
    lines,
    verdict: verdictName(verdict),
    dropReason: verdict === Verdict.drop ? ctx.outcome.dropReason : null,
    mask: describeKey(ctx.arrived.words, ctx.key.mask),
    actions: describeActions(ctx.outcome.actions),
    tags: ctx.outcome.tags.slice(0, ctx.outcome.tagCount).map(hex)
  }
}

const verdictName = (verdict: Verdict): string =>
  Object.entries(Verdict).find(([, value]) => value === verdict)![0]

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0')
