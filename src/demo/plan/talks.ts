// The demo's long-lived TCP connections as data: a few of each class, with either end speaking,
// so that each thing that may go wrong on the way out or back is noticed by somebody.

import { addressOf, outside, vip, vms } from './plan.ts'

/** By what is on their way that has to remember them. */
export const classes = ['plain', 'snat', 'vip', 'firewall'] as const
export type Class = (typeof classes)[number]
/** Which side of a connection sends. */
export const speakers = ['client', 'server'] as const
export type Talker = (typeof speakers)[number]

/** Connections that go the same way. */
export interface Talk {
  /** Its place in the plan. */
  readonly id: number
  /** What it goes through. */
  readonly of: Class
  /** Which side sends. */
  readonly speaks: Talker
  /** Who opens them. */
  readonly from: string
  /** The address that is connected to. */
  readonly to: string
  /** The port that is connected to. */
  readonly port: number
  /** Who may answer. */
  readonly ends: readonly string[]
  /** How many connections. */
  readonly count: number
}

/** Where servers listen. */
export const SERVER_PORT = 9000
/** A record so often. */
export const EVERY_MS = 40
/** Many times a record's: whoever is silent for so long is not waiting for one. */
export const SILENT_MS_MAX = 1000
/** A silence, for people. */
export const silenceText = (ms: number): string => `silent for ${(ms / 1000).toFixed(1)} s`

interface TalkWay extends Omit<Talk, 'id' | 'speaks'> {}

const toOutside = { to: outside[4], port: SERVER_PORT, ends: [outside.name], count: 4 }
const toVip = { to: vip.address, port: vip.port, ends: ['red-web1', 'red-web2'], count: 2 }

const ways: readonly TalkWay[] = [
  { of: 'plain', from: 'red-web1', ...toOutside },
  { of: 'snat', from: 'blue-web1', ...toOutside },
  { of: 'vip', from: outside.name, ...toVip },
  { of: 'vip', from: 'red-db1', ...toVip },
  { of: 'firewall', from: 'red-db1', ...toOutside }
]

/** All connections of the plan. */
export const talks: readonly Talk[] = ways.flatMap((way, i) =>
  speakers.map((speaks, j) => ({ id: i * speakers.length + j, speaks, ...way }))
)

/** The local address of a talk's opener. */
export function sourceOf({ from }: Talk): string {
  const vm = vms.find(({ name }) => name === from)
  return vm === undefined ? outside[4] : addressOf(vm, 4)
}

/** Of one connection, as both its ends see it. */
export interface Connection {
  /** Its number within the talk. */
  readonly id: number
  /** undefined: alive; else what ended or silenced it. */
  readonly fault: string | undefined
  /** A RST has ended it. */
  readonly isReset: boolean
  /** The longest silence at the end that listens, since the last mark. */
  readonly gapMs: number
  /** Received so far. */
  readonly bytes: number
}

/** All connections of the plan, opened and running. */
export interface Conversation {
  /** Silences count from now on. */
  mark(): void
  /** The connections of a talk as they are now. */
  read(talk: Talk): Promise<readonly Connection[]>
}
