// Hosts with a native exchange each, in one process on addresses of the loopback network, and what
// their agents heard.  The addresses are this process's own, so that test files run side by side.

import { SystemClock } from '../../src/core/clock.ts'
import { loadAddon } from '../../src/native/addon.ts'
import { NativeExchange } from '../../src/native/exchange.ts'
import { NativeStateTable } from '../../src/native/state-table.ts'
import {
  EXCHANGE_DEFAULT,
  type ExchangeSettings,
  type Liveness,
  type Peer
} from '../../src/state/exchange/exchange.ts'
import { TIMEOUTS } from './kinds.ts'

export const PORT = 14_789 // 4789 may be a tunnel's of this machine
export const KEY = new Uint8Array(32).map((_, i) => i * 7 + 1)
const WAIT_MS = 50_000 // for what never comes, of the time that the machine lets us run
const TURN_MS = 10 // a turn that took longer than this was kept from running

export const addressOf = (word: number): number =>
  (127 << 24) | ((1 + (process.pid % 250)) << 16) | (((process.pid >> 8) & 127) << 8) | word

export const textOf = (address: number): string =>
  [24, 16, 8, 0].map(shift => (address >>> shift) & 255).join('.')

/** Why there is nothing to test here, or undefined. */
export function absence(): string | undefined {
  try {
    loadAddon()
    return undefined
  } catch (error) {
    return String(error)
  }
}

const clock = new SystemClock()

/** Resolves when it is so; a test whose condition never comes fails. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  let before = clock.now()
  for (let waitedMs = 0; !isSo(); ) {
    if (waitedMs > WAIT_MS) throw new Error(`waited in vain: ${what}`)
    await new Promise<void>(done => {
      clock.after(1, done)
    })
    const now = clock.now()
    waitedMs += Math.min(now - before, TURN_MS)
    before = now
  }
}

const open = new Set<{ close(): void }>()

/** What a test opens is closed after it, however it ends. */
export const opened = (what: { close(): void }): unknown => open.add(what)

export function closeAll(): void {
  for (const what of open) what.close()
  open.clear()
}

export interface HostOptions {
  readonly settings?: Partial<ExchangeSettings>
  readonly dropPerMille?: number
  readonly dropSeed?: number
}

export class Host {
  readonly word: number
  readonly table = new NativeStateTable({ capacity: 100_000, timeouts: TIMEOUTS })
  readonly exchange: NativeExchange
  readonly released: number[] = []
  readonly imported: number[] = []
  readonly pulled = new Map<number, boolean>()
  readonly liveness: Liveness[] = []
  readonly joined: number[] = []
  readonly asked: Array<readonly [number, readonly number[]]> = []
  readonly told: Array<readonly [number, Uint8Array]> = []
  readonly owed: number[] = []
  onReleased: (ticket: number) => void = () => {}

  constructor(word: number, { settings, ...rest }: HostOptions = {}) {
    this.word = word
    this.exchange = new NativeExchange({
      host: word,
      table: this.table,
      port: PORT,
      settings: { ...EXCHANGE_DEFAULT, ...settings },
      ...rest,
      listener: {
        released: ticket => {
          this.released.push(ticket)
          this.onReleased(ticket)
        },
        imported: hashes => this.imported.push(...hashes),
        pulled: (ticket, found) => this.pulled.set(ticket, found),
        liveness: of => this.liveness.push(of),
        joined: of => this.joined.push(of),
        owed: of => this.owed.push(of),
        asked: (of, ports) => this.asked.push([of, ports]),
        told: (of, bytes) => this.told.push([of, bytes])
      }
    })
    this.exchange.setKey(KEY)
    opened(this)
  }

  meet(...words: readonly number[]): void {
    this.exchange.setPeers(words.map(word => this.peer(word)))
  }

  peer(word: number): Peer {
    return { word, address: addressOf(word), local: addressOf(this.word) }
  }

  count(name: string): number {
    const value = this.exchange.counters()[name]
    if (value === undefined) throw new Error(`no counter ${name}`)
    return value
  }

  close(): void {
    this.exchange.close()
    this.table.close()
  }
}

/** Hosts 1 to n that know each other, are ready, and whose agents have heard it. */
export async function hosts(n: number, options: HostOptions = {}): Promise<Host[]> {
  const words = Array.from({ length: n }, (_, i) => i + 1)
  const made = words.map(word => new Host(word, { ...options, dropSeed: word }))
  for (const host of made) host.meet(...words.filter(word => word !== host.word))
  await until('sessions', () =>
    made.every(({ joined, liveness }) => joined.length === n - 1 && liveness.length === n - 1)
  )
  return made
}
