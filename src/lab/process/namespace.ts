// One network namespace and what every node in it can do: run programs, change and count its
// interfaces, be captured. Programs enter by nsenter, not by `ip netns exec`: that one gives each
// program a mount namespace of its own, in which a bpffs that an agent mounts would die with it.
// test/lab/lib-self.test.ts holds it.

import { Capture, type CaptureOptions } from './capture.ts'
import { pathOf } from './claim.ts'
import { type Counters, parseCounters } from './counters.ts'
import { Inside } from './inside.ts'
import {
  Job,
  type JobOptions,
  LabError,
  must,
  type RunOptions,
  type RunResult,
  run
} from './process.ts'

/** Values by path below /proc/sys/net; behind one that may be missing stands a `?`. */
export type Sysctls = Readonly<Record<string, string | number>>

/** What a namespace needs from its lab. */
export interface Home {
  /** What the names of namespaces begin with. */
  readonly prefix: string
  /** Where files of the lab are. */
  readonly folder: string
}

const NAME = /^[a-z][a-z0-9-]{0,14}$/
/** Letters of an interface's name (IFNAMSIZ without its end). */
export const INTERFACE_MAX = 15

/** A network namespace, and the programs that run in it. */
export class Namespace {
  /** As the lab calls it: compute1. */
  readonly name: string
  /** As `ip netns` calls it: mz-demo.compute1. */
  readonly netns: string
  /** The file that setns takes. */
  readonly path: string
  protected readonly home: Home
  readonly #jobs = new Set<Job>()
  #inside: Inside | undefined
  #captures = 0

  constructor(home: Home, name: string) {
    if (!NAME.test(name))
      throw new LabError(`name is "${name}"; expected a letter, then up to 14 letters or digits`)
    this.home = home
    this.name = name
    this.netns = `${home.prefix}.${name}`
    this.path = pathOf(this.netns)
  }

  /** Makes it, with its settings in place before any interface is there to need them. */
  async create(sysctls: Sysctls): Promise<void> {
    const enter = 'ip netns add "$1" && exec nsenter --net="$2" sh -e'
    const input = `ip link set lo up\n${settings(sysctls)}`
    await must(['sh', '-c', enter, 'sh', this.netns, this.path], { input })
  }

  /** Runs a program in here to its end. */
  exec(command: readonly string[], options?: RunOptions): Promise<RunResult> {
    return run(this.#enter(command), options)
  }

  /** The same for one that must succeed; gives what it printed. */
  must(command: readonly string[], options?: RunOptions): Promise<string> {
    return must(this.#enter(command), options)
  }

  /** Starts a program that goes on; it is stopped with the lab at the latest. */
  spawn(command: readonly string[], options?: JobOptions): Job {
    const job = new Job(this.#enter(command), options)
    this.#jobs.add(job)
    job.exited.then(() => this.#jobs.delete(job))
    return job
  }

  /** Commands for `ip`, all in one run of it: 'link set dev eth0 up'. */
  async ip(...lines: readonly string[]): Promise<string> {
    if (lines.length === 0) return ''
    return must(['ip', '-n', this.netns, '-batch', '-'], { input: `${lines.join('\n')}\n` })
  }

  /** A rule set for `nft -f`; the whole of it is taken or none. */
  async nft(rules: string): Promise<void> {
    await this.must(['nft', '-f', '-'], { input: rules })
  }

  /** Sets values in it. */
  async sysctl(values: Sysctls): Promise<void> {
    await this.must(['sh', '-e'], { input: settings(values) })
  }

  /** Sets an interface down. */
  async linkDown(ifname: string): Promise<void> {
    await this.ip(`link set dev ${ifname} down`)
  }

  /** Sets an interface up. */
  async linkUp(ifname: string): Promise<void> {
    await this.ip(`link set dev ${ifname} up`)
  }

  /** Segmentation and checksum offloads: off is what a plain network card would do. */
  async offloads(ifname: string, on: boolean): Promise<void> {
    const state = on ? 'on' : 'off'
    const features = ['tx', 'tso', 'gso', 'gro'].flatMap(feature => [feature, state])
    await this.must(['ethtool', '-K', ifname, ...features])
  }

  /** What an interface has counted. */
  async counters(ifname: string): Promise<Counters> {
    const text = await must(['ip', '-n', this.netns, '-j', '-s', 'link', 'show', 'dev', ifname])
    return parseCounters(text)
  }

  /** Starts a capture; it sees the next frame when this resolves. */
  async capture(ifname: string, filter = '', options: CaptureOptions = {}): Promise<Capture> {
    const path = `${this.home.folder}/${this.name}-${ifname}-${this.#captures++}.pcap`
    return Capture.start((command, o) => this.spawn(command, o), path, ifname, filter, options)
  }

  /** The helper process in here: TCP servers and clients. Started at first use. */
  get inside(): Inside {
    if (this.#inside?.running !== true) this.#inside = new Inside((c, o) => this.spawn(c, o))
    return this.#inside
  }

  /** Ends every program started in here. */
  async stopJobs(): Promise<void> {
    await Promise.all([...this.#jobs].map(job => job.stop()))
  }

  /** Kills all that run in it, at once. */
  killJobsSync(): void {
    for (const job of this.#jobs) job.killSync()
  }

  #enter(command: readonly string[]): string[] {
    return ['nsenter', `--net=${this.path}`, ...command]
  }
}

// /proc/sys/net is the namespace's own for whoever is inside. A kernel built without a feature
// lacks its settings; those of bridges, for instance, are asked for with a question mark.
function settings(values: Sysctls): string {
  return Object.entries(values)
    .map(([key, value]) => {
      const optional = key.endsWith('?')
      const path = `/proc/sys/net/${optional ? key.slice(0, -1) : key}`
      return `${optional ? `test ! -e ${path} || ` : ''}echo ${value} > ${path}\n`
    })
    .join('')
}
