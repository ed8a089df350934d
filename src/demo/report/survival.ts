// What the connections have gone through: how they stand now, and for each fault how many outlived
// it and how long the longest of them was silent. test/lab/demo.test.ts holds it.

import {
  type Class,
  type Connection,
  type Conversation,
  classes,
  speakers,
  type Talk,
  type Talker,
  talks
} from '../plan/talks.ts'
import type { WayReport } from './ways.ts'

/** Connections of a class, as they are now. */
export interface Standing {
  readonly class: Class
  /** Which side sends. */
  readonly speaks: Talker
  /** Connections that were opened. */
  readonly total: number
  /** Of them, those that stand. */
  readonly alive: number
  /** Of them, those that a RST ended. */
  readonly resets: number
  /** The longest silence since the last fault, of those alive. */
  readonly gap_ms: number
  /** Received by all of them. */
  readonly bytes: number
}

/** What connections went through with a fault. */
export interface Outcome {
  /** The fault, in a few words. */
  readonly fault: string
  /** When, since the start. */
  readonly at_s: number
  /** Connections that were opened. */
  readonly total: number
  /** Of them, those that stand. */
  readonly survived: number
  /** Of them, those that a RST ended. */
  readonly resets: number
  /** The longest silence of those that stand. */
  readonly gap_ms: number
  /** How packets went until then. */
  readonly ways: readonly WayReport[]
  /** By class and direction. */
  readonly classes: readonly Standing[]
}

interface Open {
  readonly fault: string
  readonly atMs: number
  readonly ways: readonly WayReport[]
}

const EVENTS_MAX = 100

/** Watches what becomes of connections with each fault. */
export class Survival {
  readonly #conversation: Conversation
  readonly #startedMs: number
  readonly #outcomes: Outcome[] = []
  #open: Open | null = null
  #standing: readonly Standing[] = []
  #lost: readonly string[] = []

  constructor(conversation: Conversation, startedMs: number) {
    this.#conversation = conversation
    this.#startedMs = startedMs
  }

  /** By class and direction. */
  get standing(): readonly Standing[] {
    return this.#standing
  }

  /** Of every fault so far; the last one's may still change. */
  get outcomes(): readonly Outcome[] {
    return this.#open === null
      ? this.#outcomes
      : [...this.#outcomes, outcomeOf(this.#open, this.#standing)]
  }

  /** Connections that are not alive, as sentences. */
  faults(): readonly string[] {
    return this.#lost
  }

  /** The last fault. */
  get sinceMs(): number {
    return performance.now() - this.#startedMs - (this.#open?.atMs ?? 0)
  }

  /** Asks both ends of all connections. */
  async read(): Promise<void> {
    const read = async (talk: Talk) => ({ talk, all: await this.#conversation.read(talk) })
    const found = await Promise.all(talks.map(read))
    this.#standing = classes.flatMap(of =>
      speakers.map(speaks => {
        const own = found.filter(({ talk }) => talk.of === of && talk.speaks === speaks)
        const all = own.flatMap(({ all }) => all)
        return standingOf(of, speaks, all)
      })
    )
    this.#lost = found.flatMap(({ talk, all }) =>
      all.flatMap(each => (each.fault === undefined ? [] : lostText(talk, each.fault)))
    )
  }

  /** Something is about to happen: silences count from here. */
  async begin(fault: string, ways: readonly WayReport[]): Promise<void> {
    await this.read()
    if (this.#open !== null) this.#outcomes.push(outcomeOf(this.#open, this.#standing))
    if (this.#outcomes.length > EVENTS_MAX) this.#outcomes.shift()
    this.#conversation.mark()
    this.#open = { fault, ways, atMs: performance.now() - this.#startedMs }
    this.#standing = this.#standing.map(each => ({ ...each, gap_ms: 0 }))
  }
}

const lostText = ({ of, from, to, port, speaks }: Talk, fault: string): string =>
  `${of} connection from ${from} to ${to}:${port}, ${speaks} speaks: ${fault}`

function standingOf(of: Class, speaks: Talker, all: readonly Connection[]): Standing {
  const alive = all.filter(({ fault }) => fault === undefined)
  return {
    class: of,
    speaks,
    total: all.length,
    alive: alive.length,
    resets: all.filter(({ isReset }) => isReset).length,
    gap_ms: Math.round(Math.max(0, ...alive.map(({ gapMs }) => gapMs))),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0)
  }
}

/** Of all connections together. */
export function totalOf(standing: readonly Standing[]) {
  const sum = (of: 'total' | 'alive' | 'resets'): number =>
    standing.reduce((n, each) => n + each[of], 0)
  const gapMs = Math.max(0, ...standing.map(({ gap_ms }) => gap_ms))
  return { total: sum('total'), alive: sum('alive'), resets: sum('resets'), gapMs }
}

function outcomeOf({ fault, atMs, ways }: Open, standing: readonly Standing[]): Outcome {
  const { total, alive: survived, resets, gapMs: gap_ms } = totalOf(standing)
  const at_s = Number((atMs / 1000).toFixed(1))
  return { fault, at_s, total, survived, resets, gap_ms, ways, classes: standing }
}

/** A line for people. */
export function outcomeText({ fault, total, survived, resets, gap_ms }: Outcome): string {
  const lost = survived === total ? '' : `, ${total - survived} lost`
  const reset = resets === 0 ? 'none reset' : `${resets} reset`
  return `${fault}: ${survived} of ${total} live${lost}, ${reset}, longest gap ${gap_ms} ms`
}
