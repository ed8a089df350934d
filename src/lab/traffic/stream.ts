// TCP streams whose every byte is known beforehand, between two nodes of a lab: they show a gap, a
// reset or a wrong byte whichever end speaks. The ends live in the helpers of their namespaces.
// test/lab/lib-self.test.ts holds it.

import type { Inside } from '../process/inside.ts'
import { LabError } from '../process/process.ts'

/** What a stream needs of the node at either end. */
export interface StreamNode {
  readonly name: string
  readonly inside: Inside
  /** Runs a command; throws when it fails. */
  must(command: readonly string[]): Promise<string>
}

/** What a stream is like. */
export interface StreamOptions {
  readonly server: StreamServer
  /** The address to connect to: the server's own, or what leads to it (VIP, floating IP). */
  readonly to: string
  /** When another than the server's own. */
  readonly port?: number
  /** Local address. */
  readonly from?: string
  /** Who sends; default 'both'. */
  readonly speaks?: 'client' | 'server' | 'both'
  /** A record every so often; 0 sends as fast as it goes. Default 5. */
  readonly everyMs?: number
  /** Default 64. */
  readonly recordBytes?: number
  /** Silences from here on are listed one by one. */
  readonly gapMs?: number
  /** How long connecting may take. */
  readonly timeoutMs?: number
}

/** One end of a stream. */
export interface EndReport {
  /** Sent. */
  readonly sentBytes: number
  /** Received. */
  readonly receivedBytes: number
  /** Offset of the first wrong byte, or of the piece it came in; -1 for none. */
  readonly corruptAt: number
  /** Longest time without a byte, the time until now included. 0 at an end that only speaks. */
  readonly gapMaxMs: number
  /** Silences longer than `gapMs`: when each ended, and how long it was. */
  readonly gaps: readonly { readonly atMs: number; readonly ms: number }[]
  /** Since the last byte. */
  readonly silentMs: number
  /** Since the connection stood. */
  readonly ageMs: number
  /** null while it is open; 'closed', or the error: 'ECONNRESET'. */
  readonly ended: string | null
  /** This end's port. */
  readonly localPort: number
  /** The other end's port. */
  readonly remotePort: number
}

/** Both ends of a stream. */
export interface StreamReport {
  /** Who connected. */
  readonly client: EndReport
  /** Who was connected to. */
  readonly server: EndReport
  /** Over both ends. */
  readonly gapMaxMs: number
  /** Over both ends. */
  readonly receivedBytes: number
  /** Segments sent again, by both kernels' accounts; those of an end that is gone are unknown. */
  readonly retransmits: number
  /** Of those, what the receiver said it had already: an answer was late, nothing was lost. */
  readonly spurious: number
  /** Nothing wrong: open at both ends, every byte as it should be. */
  readonly sound: boolean
}

/** A port that streams connect to. */
export interface StreamServer {
  readonly node: StreamNode
  /** TCP port. */
  readonly port: number
  /** Takes no further stream. */
  close(): Promise<void>
}

/** Listens; `port` 0: any that is free. */
export async function serveTcp(node: StreamNode, port = 0, host = '::'): Promise<StreamServer> {
  const bound = await node.inside.call<{ port: number }>('serve', { port, host })
  return {
    node,
    port: bound.port,
    close: async () => {
      await node.inside.call('unserve', { port: bound.port })
    }
  }
}

const PATIENCE_MS = 60_000

let streams = 0

/** A TCP connection whose bytes are checked at both ends. */
export class TcpStream {
  /** How long connecting took. */
  readonly connectMs: number
  /** The client's port. */
  readonly localPort: number
  readonly #client: StreamNode
  readonly #server: StreamNode
  readonly #key: string

  private constructor(client: StreamNode, server: StreamNode, key: string, opened: Opened) {
    this.#client = client
    this.#server = server
    this.#key = key
    this.connectMs = opened.connectMs
    this.localPort = opened.localPort
  }

  /** Resolves when the connection stands; an error when it does not within the time. */
  static async open(client: StreamNode, options: StreamOptions): Promise<TcpStream> {
    const { server, to, from, speaks = 'both', everyMs = 5, recordBytes = 64 } = options
    const { port = server.port, gapMs = 100, timeoutMs = PATIENCE_MS } = options
    const key = `${process.pid}-${++streams}`
    const shape = { key, speaks, everyMs, recordBytes, gapMs }
    const opened = await client.inside.call<Opened>(
      'open',
      { ...shape, host: to, port, from, timeoutMs },
      timeoutMs + 1000
    )
    await until(
      `the server's end of the stream to ${to}`,
      () => server.node.inside.call<boolean>('knows', { key }),
      timeoutMs
    )
    return new TcpStream(client, server.node, key, opened)
  }

  /** How it stands; it goes on. */
  async report(): Promise<StreamReport> {
    const call = (node: StreamNode) => node.inside.call<EndReport>('report', { key: this.#key })
    const [client, server] = await Promise.all([call(this.#client), call(this.#server)])
    // By the client's port, which on its way to the server may have been translated.
    const counts = await Promise.all([
      countsOf(this.#client, `sport = :${client.localPort}`),
      countsOf(this.#server, `dport = :${server.remotePort}`)
    ])
    return combined(client, server, counts)
  }

  /** Closes it; the report is from the moment before. */
  async stop(): Promise<StreamReport> {
    const report = await this.report()
    const close = (node: StreamNode) => node.inside.call('close', { key: this.#key })
    await Promise.all([close(this.#client), close(this.#server)])
    return report
  }
}

interface SentAgain {
  readonly retransmits: number
  readonly spurious: number
}

async function countsOf(node: StreamNode, filter: string): Promise<SentAgain> {
  const text = await node.must(['ss', '-tinH', filter])
  const retransmits = Number(/ retrans:\d+\/(\d+)/.exec(text)?.[1] ?? 0)
  const spurious = Number(/ dsack_dups:(\d+)/.exec(text)?.[1] ?? 0) // RFC 2883
  return { retransmits, spurious }
}

interface Opened {
  readonly localPort: number
  readonly connectMs: number
}

function combined(
  client: EndReport,
  server: EndReport,
  counts: readonly SentAgain[]
): StreamReport {
  const ends = [client, server]
  const sum = (of: keyof SentAgain): number => counts.reduce((n, each) => n + each[of], 0)
  return {
    client,
    server,
    gapMaxMs: Math.max(client.gapMaxMs, server.gapMaxMs),
    receivedBytes: client.receivedBytes + server.receivedBytes,
    retransmits: sum('retransmits'),
    spurious: sum('spurious'),
    sound: ends.every(end => end.ended === null && end.corruptAt < 0)
  }
}

/**
 * Repeats a question until the answer is yes; for what takes effect somewhat later. The bound is
 * for what never comes, on a machine with ten times the work it can do.
 */
export async function until(
  what: string,
  ask: () => boolean | Promise<boolean>,
  timeoutMs = PATIENCE_MS
): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await ask())) {
    if (performance.now() > end) throw new LabError(`not within ${timeoutMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
