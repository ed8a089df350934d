// What a state table does, said as plainly as it can be: a list that is searched from one end to
// the other.  The contract's random runs hold the tables against it.

import { RecordWord, StateFlag } from '../../src/state/record.ts'
import { Put } from '../../src/state/table.ts'
import { isOver, type Timeouts, timeoutOf } from '../../src/state/timeouts.ts'
import { keyA, keyB, TCP } from './records.ts'

export interface Entry {
  readonly words: Int32Array
  used: number
}

const text = (words: Int32Array): string => words.join()
const unsigned = (words: Iterable<number>): number[] => [...words].map(word => word >>> 0)

function order(a: number[], b: number[]): number {
  const at = a.findIndex((value, i) => value !== b[i])
  return at < 0 ? 0 : a[at]! - b[at]!
}

const OPENING = [RecordWord.born, RecordWord.generation, RecordWord.owner]
const opening = (words: Int32Array): number[] => unsigned(OPENING.map(word => words[word]!))

export class TableModel {
  now = 0
  /** The one filed last comes first. */
  entries: Entry[] = []
  readonly #timeouts: Timeouts

  constructor(timeouts: Timeouts) {
    this.#timeouts = timeouts
  }

  find(key: Int32Array): { entry: Entry; isReturn: boolean } | undefined {
    for (const entry of this.entries) {
      if (text(keyA(entry.words)) === text(key)) return { entry, isReturn: false }
      if (text(keyB(entry.words)) === text(key)) return { entry, isReturn: true }
    }
    return undefined
  }

  put(words: Int32Array, idleMs: number): number {
    const used = this.now - idleMs
    const there = this.entries.find(each => text(keyA(each.words)) === text(keyA(words)))
    const what = there === undefined ? Put.added : this.#meet(there.words, words)
    if (what === Put.merged) {
      mergeInto(there!.words, words)
      there!.used = Math.max(there!.used, used)
    } else if (what !== Put.refused) {
      this.entries = this.entries.filter(each => each !== there)
      this.entries.unshift({ words: words.slice(), used })
    }
    return what
  }

  note({ words, used }: Entry, isReturn: boolean, tcp: number, idleMs: number): boolean {
    const before = words[RecordWord.flags]!
    const isTcp = (words[0]! & 255) === TCP
    const wasReset = isTcp && (before & StateFlag.reset) !== 0
    words[RecordWord.flags] = noted(words, isReturn, tcp)
    if (wasReset && (tcp & (SYN | RST)) === 0 && this.now - idleMs > used + 50) {
      words[RecordWord.flags]! &= ~StateFlag.reset
      words[RecordWord.generation]! += 1
    }
    return words[RecordWord.flags] !== before
  }

  expire(): Entry[] {
    const gone = this.entries.filter(
      ({ words, used }) => this.now >= used + timeoutOf(this.#timeouts, words) * 1000
    )
    this.entries = this.entries.filter(each => !gone.includes(each))
    return gone
  }

  #meet(there: Int32Array, words: Int32Array): number {
    const rank = (of: Int32Array): number[] => [...opening(of), ...unsigned(keyB(of))]
    const younger = order(rank(words), rank(there))
    if (younger === 0) return Put.merged
    return younger > 0 ? Put.replaced : Put.refused
  }
}

function mergeInto(there: Int32Array, words: Int32Array): void {
  const flags = there[RecordWord.flags]! | words[RecordWord.flags]!
  const rest = unsigned(there.subarray(RecordWord.ingress))
  const theirs = unsigned(words.subarray(RecordWord.ingress))
  there.set(
    rest.map((word, i) => Math.max(word, theirs[i]!) | 0),
    RecordWord.ingress
  )
  there[RecordWord.flags] = flags
}

const FIN = 1
const SYN = 2
const RST = 4

function noted(words: Int32Array, isReturn: boolean, tcp: number): number {
  const before = words[RecordWord.flags]!
  const isAnswered = (before & StateFlag.replied) !== 0
  const added: number[] = []
  if (isReturn) added.push(StateFlag.replied)
  const isBlocked = (before & StateFlag.blocked) !== 0
  if (isReturn && isAnswered && isBlocked && !(tcp & SYN)) added.push(StateFlag.assured)
  if ((words[0]! & 255) === TCP) {
    if (tcp & RST) added.push(StateFlag.reset)
    if (tcp & FIN) added.push(isReturn ? StateFlag.finB : StateFlag.finA)
    if (!isReturn && isAnswered && !(tcp & SYN)) added.push(StateFlag.assured)
  } else if (!isReturn && isAnswered) added.push(StateFlag.assured)
  const after = added.reduce((flags, flag) => flags | flag, before)
  if (isOver(before) && !isOver(after)) throw new Error('a connection that was over came back')
  return after
}
