// Traffic that Node is too slow or too imprecise for, made by the programs in native/lab, which are
// compiled at first use; and bulk TCP by iperf3. Measured between two VMs at a Linux bridge on two
// cores: 400 000 frames/s, each a new flow; 18 Gbit/s over veth, 14 over tap. What a flood
// delivers is counted at interfaces or by discard(). test/lab/lib-self.test.ts holds it.

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Machine } from '../machines/machine.ts'
import { type Job, LabError, must } from '../process/process.ts'

/** How datagrams are sent and answered. */
export interface AskOptions {
  /** Address. */
  readonly to: string
  /** UDP port. */
  readonly port: number
  /** How many; default 10. */
  readonly count?: number
  /** Between two questions; 0 asks the next one when the last is answered. */
  readonly everyUs?: number
  /** A new source port, hence a new flow, for every question. */
  readonly newPorts?: boolean
  /** Bytes of each; default 32. */
  readonly size?: number
  /** How long answers are waited for; default 5 s. */
  readonly timeoutMs?: number
}

/** What came of them. */
export interface AskResult {
  /** Datagrams. */
  readonly sent: number
  /** Answers. */
  readonly received: number
  /** In the order sent; -1 for a lost one. */
  readonly rttUs: readonly number[]
}

/** A stream of datagrams as fast as it goes. */
export interface FloodOptions {
  /** Address. */
  readonly to: string
  /** How long. */
  readonly seconds: number
  /** Frames per second; 0 as fast as it goes. */
  readonly pps?: number
  /** Different 5-tuples, in turn; more than pps × seconds makes each frame a new flow. */
  readonly flows?: number
  /** Bytes of the whole frame without checksum: at least 42, with IPv6 62. */
  readonly size?: number
  /** UDP port. */
  readonly port?: number
  /** Which flow is the first: goes on where an earlier flood ended. */
  readonly firstFlow?: number
}

/** What was sent. */
export interface FloodResult {
  /** Datagrams. */
  readonly sent: number
  /** How long it took. */
  readonly seconds: number
  /** Datagrams that the kernel refused. */
  readonly errors: number
}

/** What a bulk transfer came to. */
export interface BulkResult {
  /** As the receiver counts. */
  readonly gbps: number
  /** Segments sent again. */
  readonly retransmits: number
}

const ASK_MS_MAX = 180_000
const BUILD_MS_MAX = 110_000
const tools = join(import.meta.dirname, '..', '..', '..', 'native', 'lab')
let built: Promise<string> | undefined

/** The lab's programs: native/lab. */
export type Tool =
  | 'ping'
  | 'traffic'
  | 'flood'
  | 'relay'
  | 'frames'
  | 'probe'
  | 'wire'
  | 'crowd'
  | 'calls'
  | 'churn'

/** The compiled program of this name; make decides whether there is anything to do. */
export async function tool(name: Tool): Promise<string> {
  built ??= build()
  return join(await built, name)
}

async function build(): Promise<string> {
  const folder = join(tools, '..', 'build', 'lab')
  mkdirSync(folder, { recursive: true })
  await must(['make', '-s', '-C', tools, `BUILD=${folder}`], { timeoutMs: BUILD_MS_MAX })
  return folder
}

/** Sends and measures traffic from a machine. */
export class Traffic {
  readonly #machine: Machine

  constructor(machine: Machine) {
    this.#machine = machine
  }

  /** Answers UDP with the same bytes, IPv4 and IPv6; `at`: from this address, not the nearest. */
  async echo(port: number, at?: string): Promise<Job> {
    return this.#serve(['echo', '--port', `${port}`, ...(at === undefined ? [] : ['--at', at])])
  }

  /** Asks an echo server and measures each answer. */
  async ask(options: AskOptions): Promise<AskResult> {
    const { count = 10, everyUs = 0, newPorts = false, size = 32, timeoutMs = 5000 } = options
    const result = await this.#run<AskResult>(
      [
        ...['ask', '--to', options.to, '--port', `${options.port}`, '--count', `${count}`],
        ...['--every-us', `${everyUs}`, '--size', `${size}`, '--timeout-ms', `${timeoutMs}`],
        ...(newPorts ? ['--new-ports'] : [])
      ],
      Math.min(count * (everyUs / 1000 + timeoutMs) + 5000, ASK_MS_MAX)
    )
    return result
  }

  /** Sends UDP frames of many flows past the sockets: a million a second and more. */
  async flood(options: FloodOptions): Promise<FloodResult> {
    const { to, seconds, pps = 0, flows = 1, size = 64, port = 9, firstFlow = 0 } = options
    const hop = await this.#machine.nextHop(to)
    const link = ['--if', hop.ifname, '--dst-mac', hop.mac, '--from', hop.source]
    const shape = ['--pps', `${pps}`, '--flows', `${flows}`, '--size', `${size}`]
    const rest = ['--seconds', `${seconds}`, '--port', `${port}`, '--first', `${firstFlow}`]
    const command = [await tool('flood'), '--to', to, ...link, ...shape, ...rest]
    return this.#json(command, seconds * 1000 + 30_000)
  }

  /** Sends frames as they are by eth0, or another interface. */
  async send(frames: readonly Uint8Array[], ifname = 'eth0'): Promise<void> {
    const input = frames.map(frame => `${Buffer.from(frame).toString('hex')}\n`).join('')
    await this.#machine.must([await tool('frames'), ifname], { input })
  }

  /** Counts and drops UDP to this port before the stack sees it, so that no ICMP answers it. */
  async discard(port = 9, ifname = 'eth0'): Promise<() => Promise<number>> {
    const table = `lab_discard_${port}`
    await this.#machine.nft(`table netdev ${table} {
      counter hits { }
      chain in {
        type filter hook ingress device "${ifname}" priority 0
        udp dport ${port} counter name "hits" drop
      }
    }
    `)
    return async () => {
      const list = ['nft', '-j', 'list', 'counter', 'netdev', table, 'hits']
      const text = await this.#machine.must(list)
      return Number(/"packets": ?(\d+)/.exec(text)?.[1] ?? -1)
    }
  }

  /** Serves `rate`: each connection is one byte there, one byte back. */
  async serve(port: number): Promise<Job> {
    return this.#serve(['serve', '--port', `${port}`])
  }

  /** Connect, request, response, close, one after the other: connections per second. */
  async rate(to: string, port: number, seconds: number): Promise<{ rate: number; faults: number }> {
    const command = ['rate', '--to', to, '--port', `${port}`, '--seconds', `${seconds}`]
    return this.#run(command, seconds * 1000 + 30_000)
  }

  /** One iperf3 run to a server that lives as long as it. */
  async bulk(
    server: Machine,
    to: string,
    seconds = 2,
    { reverse = false, parallel = 1, port = 5201 } = {}
  ): Promise<BulkResult> {
    const job = server.spawn(['iperf3', '-s', '-1', '-p', `${port}`, '--forceflush'])
    await job.waitFor(/Server listening/)
    const command = ['iperf3', '-J', '-c', to, '-p', `${port}`, '-t', `${seconds}`]
    const shape = ['-P', `${parallel}`, ...(reverse ? ['-R'] : [])]
    const timeoutMs = seconds * 1000 + 30_000
    const { stdout } = await this.#machine.exec([...command, ...shape], { timeoutMs })
    await job.stop()
    return bulkOf(stdout)
  }

  async #serve(args: readonly string[]): Promise<Job> {
    const job = this.#machine.spawn([await tool('traffic'), ...args])
    await job.waitFor(/ready/)
    return job
  }

  async #run<T>(args: readonly string[], timeoutMs: number): Promise<T> {
    return this.#json([await tool('traffic'), ...args], timeoutMs)
  }

  async #json<T>(command: readonly string[], timeoutMs: number): Promise<T> {
    return JSON.parse(await this.#machine.must(command, { timeoutMs })) as T
  }
}

interface IperfSum {
  readonly bits_per_second: number
  readonly retransmits?: number
}

function bulkOf(text: string): BulkResult {
  const report = JSON.parse(text) as {
    error?: string
    end?: { sum_sent?: IperfSum; sum_received?: IperfSum }
  }
  const { sum_sent, sum_received } = report.end ?? {}
  if (sum_received === undefined) throw new LabError(`iperf3: ${report.error ?? 'no result'}`)
  return { gbps: sum_received.bits_per_second / 1e9, retransmits: sum_sent?.retransmits ?? 0 }
}
