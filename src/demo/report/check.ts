// Asks every pair, and judges: the right node must answer, every time, and nobody else may even
// hear the question. The pairs that should reach each other are asked one after the other, so
// that the times are theirs alone; the others side by side, since they are waited for.
// test/lab/demo.test.ts holds it.

import type { Answered, AskOptions, Ground } from '../ground.ts'
import { labelOf } from '../ground.ts'
import { nodes, type Pair, pairs } from '../plan/plan.ts'

/** What was seen of a pair so far. */
export interface Seen {
  /** The node that was meant has answered. */
  readonly reached: boolean
  /** Name of the node that answered; '' for none. */
  readonly by: string
  /** Time of the first answer of all, by whom it should be; null: none came. */
  readonly firstMs: number | null
  /** Median time of the later answers of the last round; null: it was not reached. */
  readonly laterMs: number | null
  /** Questions of the last round without an answer. */
  readonly lost: number
  /** Answers that nobody asked for. */
  readonly strange: number
}

const FIRST: AskOptions = { count: 5, timeoutMs: 10_000 }
const AGAIN: AskOptions = { count: 2, timeoutMs: 3000 }
const SILENT: AskOptions = { count: 1, timeoutMs: 700 }

/** Asks who reaches whom, and knows who should. */
export class Check {
  /** What was seen, by pair. */
  readonly seen = new Map<Pair, Seen>()
  readonly #ground: Pick<Ground, 'ask'>
  readonly #leaks = new Set<string>()
  #stopped = false

  constructor(ground: Pick<Ground, 'ask'>) {
    this.#ground = ground
  }

  /** A question has arrived at a node. */
  heard(node: string, label: string): void {
    const pair = pairs.find(each => labelOf(each) === label)
    if (pair !== undefined && !mayHear(pair, node)) this.#leaks.add(`${node} heard ${label}`)
  }

  /**
   * Every pair once; `moved` is called as results come.  Nobody sends a ping again that is lost
   * while a host dies: while faults are made, a pair that lost one is asked once more.
   */
  async round(moved: () => void = () => {}, faulty = false): Promise<void> {
    for (const pair of pairs) {
      if (this.#stopped) return
      if (!pair.expected) continue
      await this.#ask(pair, this.seen.has(pair) ? AGAIN : FIRST)
      if (faulty && !this.isRight(pair)) await this.#ask(pair, AGAIN)
      moved()
    }
    await Promise.all(pairs.filter(pair => !pair.expected).map(pair => this.#ask(pair, SILENT)))
    moved()
  }

  /** No further question. */
  stop(): void {
    this.#stopped = true
  }

  /** Whether the pair was asked, and is as the plan says. */
  isRight(pair: Pair): boolean {
    const seen = this.seen.get(pair)
    if (seen === undefined || seen.reached !== pair.expected || seen.strange > 0) return false
    return !pair.expected || seen.lost === 0
  }

  /** What is not as it should be, as sentences. */
  faults(): string[] {
    const wrong = pairs.filter(pair => !this.isRight(pair)).map(pair => this.#fault(pair))
    return [...wrong, ...[...this.#leaks].map(leak => `${leak}, which is not for it`)]
  }

  async #ask(pair: Pair, options: AskOptions): Promise<void> {
    const answered = await this.#ground.ask(pair, options)
    if (!this.#stopped) this.seen.set(pair, judge(pair, answered, options, this.seen.get(pair)))
  }

  #fault(pair: Pair): string {
    const { from, to, family } = pair
    const what = `${from.name} to ${to.name} (${to.address(family)})`
    const seen = this.seen.get(pair)
    if (seen === undefined) return `${what}: not asked`
    if (seen.strange > 0) return `${what}: ${seen.strange} answers nobody asked for`
    if (!pair.expected) return `${what}: answered, though ${pair.because}`
    if (seen.by !== '' && !seen.reached) return `${what}: ${seen.by} answered instead`
    return `${what}: ${seen.lost} questions without an answer`
  }
}

function judge(pair: Pair, answered: Answered, options: AskOptions, before?: Seen): Seen {
  const { by, rttMs, strange } = answered
  const reached = by === pair.to.name
  const later = before === undefined ? rttMs.slice(1) : rttMs
  return {
    reached,
    by,
    firstMs: before?.firstMs ?? (reached ? (rttMs[0] ?? null) : null),
    laterMs: reached ? median(later) : null,
    lost: options.count - rttMs.length,
    strange
  }
}

/** Whoever has the address in the asker's own network, and that may be the asker. */
const mayHear = ({ from, to, family }: Pair, name: string): boolean =>
  (name === from.name && from.address(family) === to.address(family)) ||
  pairs.some(
    pair =>
      pair.from === from &&
      pair.family === family &&
      pair.to.name === name &&
      pair.expected &&
      pair.to.address(family) === to.address(family)
  )

function median(values: readonly number[]): number | null {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? null
}

/** How many of the nodes' pairs there are: for the summary. */
export const counts = {
  nodes: nodes.length,
  pairs: pairs.length,
  reachable: pairs.filter(({ expected }) => expected).length
} as const
