// What FRR's bfdd says of its neighbours: by its control socket, as messages of a header and JSON,
// and as the answer to a question, as JSON alone. messages.test.ts holds it.
//
//    0       4    6      7         8
//   ┌────────┬────┬──────┬─────────┬──────────────┐
//   │ length │ id │ type │ version │ length bytes │   numbers are big-endian
//   └────────┴────┴──────┴─────────┴──────────────┘

import { address } from '../../../../src/control.ts'
import type { BfdState } from '../engine.ts'

const HEADER = 8
const VERSION = 1
const NOTIFY = 4
const STATES_WANTED = 1 // a mask of 64 bits, in the order of the machine
const MASK_BYTES = 8
/** Bytes of one message; it says of one neighbour. */
const LENGTH_MAX = 64 * 1024

/** Asks for the state of all neighbours, now and whenever one changes. */
export function subscription(): Buffer {
  const bytes = Buffer.alloc(HEADER + MASK_BYTES)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint32(0, MASK_BYTES)
  view.setUint16(4, 1)
  view.setUint8(6, NOTIFY)
  view.setUint8(7, VERSION)
  view.setBigUint64(HEADER, BigInt(STATES_WANTED), true)
  return bytes
}

/** Reads what comes by the socket, in whatever pieces. */
export class BfdReader {
  #rest: Buffer = Buffer.alloc(0)

  /** What is said in all messages that are complete by now. Throws when it cannot be one. */
  push(data: Buffer): BfdState[] {
    let rest = Buffer.concat([this.#rest, data])
    const states: BfdState[] = []
    while (rest.length >= HEADER) {
      const view = new DataView(rest.buffer, rest.byteOffset)
      const length = view.getUint32(0)
      if (view.getUint8(7) !== VERSION || length > LENGTH_MAX)
        throw new Error(`no message of version ${VERSION} and ${LENGTH_MAX} bytes at most`)
      if (rest.length < HEADER + length) break
      if (view.getUint8(6) === NOTIFY)
        states.push(...notified(rest.toString('utf8', HEADER, HEADER + length)))
      rest = rest.subarray(HEADER + length)
    }
    this.#rest = rest
    return states
  }
}

interface Notification {
  readonly op?: unknown
  readonly 'peer-address'?: unknown
  readonly state?: unknown
  readonly diagnostics?: unknown
}

function notified(text: string): BfdState[] {
  const { op, state, diagnostics, ...said } = JSON.parse(text) as Notification
  if (op !== 'status') return []
  return stateOf(said['peer-address'], state, DIAGNOSTICS[Number(diagnostics)])
}

// RFC 5880 §4.1, in the words of bfdd's answers.
const DIAGNOSTICS: readonly string[] = [
  ...['ok', 'control detection time expired', 'echo function failed'],
  ...['neighbor signaled session down', 'forwarding plane reset', 'path down'],
  ...['concatenated path down', 'administratively down', 'reverse concatenated path down']
]

interface Peer {
  readonly peer?: unknown
  readonly status?: unknown
  readonly diagnostic?: unknown
}

/** Reads the answer to `show bfd peers json`. Throws when it is none. */
export function statesIn(text: string): BfdState[] {
  const peers = JSON.parse(text) as unknown
  if (!Array.isArray(peers)) throw new Error('no list of neighbours')
  return (peers as Peer[]).flatMap(({ peer, status, diagnostic }) =>
    stateOf(peer, status, diagnostic)
  )
}

const STATES: Readonly<Record<string, BfdState['state']>> = {
  up: 'up',
  down: 'down',
  init: 'init',
  'adm-down': 'admin-down',
  shutdown: 'admin-down'
}

function stateOf(peer: unknown, state: unknown, diagnostic: unknown): BfdState[] {
  const found = STATES[String(state)]
  if (typeof peer !== 'string' || found === undefined) return []
  const isKnown = typeof diagnostic === 'string' && diagnostic !== 'ok'
  const ip = address.formatIp(address.parseIp(peer))
  return [{ address: ip, state: found, reason: isKnown ? diagnostic : null }]
}
