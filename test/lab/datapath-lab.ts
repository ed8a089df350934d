// A bench for the eBPF datapath alone: namespaces, veths between them, and a stand-in for the agent
// that installs what a test decides.  Everything it makes is called mz-dp-* and goes at the end.

import assert from 'node:assert/strict'
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { openSync, rmSync, statSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { SystemClock } from '../../src/core/clock.ts'
import { Burst, DESCRIPTOR_WORDS, Descriptor, FlowBatch } from '../../src/datapath/datapath.ts'
import { type EbpfDatapath, type EbpfOptions, openEbpf } from '../../src/datapath/ebpf/ebpf.ts'
import { ActionList } from '../../src/flow/actions.ts'
import { WORDS } from '../../src/flow/key.ts'
import { parsePing, pingArguments } from '../../src/lab/traffic/ping.ts'
import { tool } from '../../src/lab/traffic/traffic.ts'
import { enterNamespace } from '../../src/native/addon.ts'

const PREFIX = 'mz-dp-'
const QUIET_MS = 1000 // by then a busy machine has let tcpdump read
// A frame takes a slot of the snap length: the default buffer holds eight of the default length.
const TCPDUMP = 'tcpdump -U --immediate-mode -B 16384 -s 2048'
// Opened before anything moves: the way back.
const HOME = `/proc/self/fd/${openSync('/proc/thread-self/ns/net', 'r')}`

export const canRun = process.getuid?.() === 0 ? false : 'needs root'
export const netns = (name: string): string => PREFIX + name

// One word: runs in a shell, throws with what it said.
export const sh = (command: string): string =>
  execFileSync('sh', ['-ec', command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })

export const run = (command: string, timeout = 50_000): Promise<{ ok: boolean; text: string }> =>
  new Promise(done => {
    execFile('sh', ['-c', `${command} 2>&1`], { timeout, maxBuffer: 1 << 24 }, (error, text) =>
      done({ ok: error === null, text })
    )
  })

/** Three pings are answered. */
export async function pinged(namespace: string, address: string, size = 56): Promise<void> {
  const ping = [await tool('ping'), ...pingArguments(address, { size })]
  const { text } = await run(`ip netns exec ${netns(namespace)} ${ping.join(' ')}`)
  const { received } = parsePing(text)
  assert.equal(received, 3, text)
}

/** One UDP datagram, by Node alone: a guest of test/kernels has nothing that builds our tools. */
export async function datagram(namespace: string, address: string): Promise<void> {
  const socket = 'const s = require("dgram").createSocket("udp4")'
  const script = `${socket}; s.send("x", 9, "${address}", () => s.close())`
  const { ok, text } = await run(
    `ip netns exec ${netns(namespace)} ${process.execPath} -e '${script}'`
  )
  assert.ok(ok, text)
}

// What iperf3 says of so many bytes from here to there. What is on its way when it stops sending is
// not counted as received: of small buffers that is little.
export async function streamed(from: string, to: string, address: string, bytes: string) {
  const [here, there] = [from, to].map(name => `ip netns exec ${netns(name)}`)
  const server = run(`${there} iperf3 -s -1 --idle-timeout 40`)
  const listening = `until ${there} ss -ltnH 'sport = :5201' | grep -q .; do sleep 0.02; done`
  const { text } = await run(`${listening}
    ${here} iperf3 -c ${address} -n ${bytes} -w 200K -J --connect-timeout 20000`)
  await server
  return JSON.parse(text) as { end: { sum_received?: { bytes: number } } }
}

export interface VethEnd {
  readonly in: string // namespace
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  readonly address?: readonly string[]
}

export class Bench {
  readonly #namespaces: string[] = []
  readonly #datapaths: EbpfDatapath[] = []
  readonly #children: ChildProcess[] = []
  readonly #directories: string[] = []

  namespace(...names: string[]): void {
    for (const name of names) {
      sh(`ip netns del ${netns(name)} 2>/dev/null || true; ip netns add ${netns(name)}
        ip -n ${netns(name)} link set lo up
        ip netns exec ${netns(name)} sysctl -qw net.ipv6.conf.default.accept_dad=0 \
          net.ipv6.conf.default.router_solicitations=0`)
      this.#namespaces.push(name)
    }
  }

  sh(namespace: string, command: string): string {
    return sh(`ip netns exec ${netns(namespace)} ${command}`)
  }

  veth(a: VethEnd, b: VethEnd): void {
    sh(`ip link add ${a.name} netns ${netns(a.in)} type veth \
      peer name ${b.name} netns ${netns(b.in)}`)
    for (const end of [a, b]) {
      const ip = `ip -n ${netns(end.in)}`
      const set = [end.mac ? `address ${end.mac}` : '', end.mtu ? `mtu ${end.mtu}` : ''].join(' ')
      sh(`${ip} link set ${end.name} ${set} up`)
      for (const address of end.address ?? [])
        sh(`${ip} addr add ${address} dev ${end.name} ${address.includes(':') ? 'nodad' : ''}`)
    }
  }

  // Opens a datapath in the namespace; this thread comes back.
  open(namespace: string, options: Partial<EbpfOptions> = {}): EbpfDatapath {
    const datapath = this.inside(namespace, () =>
      openEbpf({ clock: new SystemClock(), flowsMax: 4096, ...options })
    )
    this.#datapaths.push(datapath)
    return datapath
  }

  inside<T>(namespace: string, body: () => T): T {
    enterNamespace(`/var/run/netns/${netns(namespace)}`)
    try {
      return body()
    } finally {
      enterNamespace(HOME)
    }
  }

  attach(at: string, dp: EbpfDatapath, name: string, portClass = 0, peerRedirect = false): number {
    const ifindex = this.ifindex(dp, name)
    this.inside(at, () => dp.attach({ ifindex, name, portClass, peerRedirect }))
    return ifindex
  }

  ifindex(datapath: EbpfDatapath, name: string): number {
    const found = datapath.interfaces.byName(name)
    if (found === undefined) throw new Error(`no interface ${name}`)
    return found.ifindex
  }

  // A directory for pins, taken away at the end.
  directory(path: string): string {
    this.#directories.push(path)
    return path
  }

  // A capture; `stop` gives tshark's fields, one line a frame.
  async capture(namespace: string, name: string, filter = ''): Promise<Capture> {
    const file = `/tmp/${netns(namespace)}-${name}-${process.pid}.pcap`
    this.#directories.push(file)
    const child = spawn(
      'ip',
      `netns exec ${netns(namespace)} ${TCPDUMP} -ni ${name} -w ${file} ${filter}`
        .trim()
        .split(' '),
      { stdio: ['ignore', 'ignore', 'pipe'] }
    )
    this.#children.push(child)
    await new Promise<void>(done => {
      child.stderr!.on('data', text => {
        if (String(text).includes('listening on')) done()
      })
      child.on('exit', () => done())
    })
    return new Capture(child, file)
  }

  close(): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const datapath of this.#datapaths) datapath.close(false)
    for (const name of this.#namespaces) sh(`ip netns del ${netns(name)} || true`)
    for (const path of this.#directories) sh(`umount ${path} 2>/dev/null || true; rm -rf ${path}`)
  }
}

export class Capture {
  readonly #child: ChildProcess
  readonly #file: string

  constructor(child: ChildProcess, file: string) {
    this.#child = child
    this.#file = file
  }

  // tcpdump leaves behind what it has not read when it is told to end: it is given the time to.
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    for (let size = -1; size !== statSync(this.#file).size; await sleep(QUIET_MS))
      size = statSync(this.#file).size
    const gone = new Promise(done => {
      this.#child.on('exit', done)
    })
    this.#child.kill('SIGINT')
    await gone
  }

  // Rows of the named fields.
  async fields(display: string, ...names: string[]): Promise<string[][]> {
    await this.stop()
    const wanted = names.map(name => `-e ${name}`).join(' ')
    const text = sh(
      `tshark -r ${this.#file} -o udp.check_checksum:TRUE -o tcp.check_checksum:TRUE \
        -o ip.check_checksum:TRUE -Y '${display}' -T fields ${wanted} 2>/dev/null`
    )
    return text
      .split('\n')
      .filter(Boolean)
      .map(line => line.split('\t'))
  }

  remove(): void {
    rmSync(this.#file, { force: true })
  }
}

// What a test decides of a frame: fills `actions`; the mask to install under, or null for none.
export type Decide = (frame: Seen, actions: ActionList) => Mask | null
export interface Mask {
  readonly words: Int32Array
  readonly ttlMin?: number
}
export interface Seen {
  readonly ifindex: number
  readonly reason: number
  readonly arg: number
  readonly gsoSize: number
  readonly key: Int32Array
  readonly bytes: Uint8Array
}

export const maskOf = (...words: number[]): Mask => {
  const mask = new Int32Array(WORDS)
  for (const word of words) mask[word] = -1
  return { words: mask }
}
// In port, tunnel key and both MAC addresses.
export const L2 = maskOf(0, 1, 4, 5, 6)

// The stand-in for the agent.
export class Deputy {
  readonly datapath: EbpfDatapath
  decide: Decide
  readonly seen: Seen[] = []
  readonly #burst = new Burst()
  readonly #batch = new FlowBatch()
  readonly #actions = new ActionList()
  readonly #installed: Array<{ id: number; key: Int32Array; mask: Int32Array }> = []
  #id = 0

  constructor(datapath: EbpfDatapath, decide: Decide) {
    this.datapath = datapath
    this.decide = decide
    datapath.onReadable(() => this.#work())
  }

  install(key: Int32Array, mask: Mask, actions: ActionList): number {
    this.#batch.clear()
    this.#add(key, mask, actions)
    this.datapath.install(this.#batch)
    return this.#batch.result[0]!
  }

  #add(key: Int32Array, mask: Mask, actions: ActionList): void {
    this.#batch.add(++this.#id, key, mask.words, mask.ttlMin ?? 0, actions)
    this.#installed.push({ id: this.#id, key, mask: mask.words })
  }

  // Takes out everything it has put in.
  forget(): void {
    const batch = new FlowBatch(Math.max(1, this.#installed.length))
    for (const { id, key, mask } of this.#installed.splice(0)) batch.add(id, key, mask, 0, null)
    this.datapath.remove(batch)
  }

  #work(): void {
    while (this.datapath.receive(this.#burst) > 0) {
      this.#batch.clear()
      for (let i = 0; i < this.#burst.count; i++) this.#frame(i)
      this.datapath.install(this.#batch)
      this.datapath.flush()
    }
  }

  #frame(i: number): void {
    const { descriptors, bytes, keys } = this.#burst
    const d = i * DESCRIPTOR_WORDS
    const at = descriptors[d + Descriptor.offset]!
    const seen: Seen = {
      ifindex: descriptors[d + Descriptor.ifindex]!,
      reason: descriptors[d + Descriptor.reason]!,
      arg: descriptors[d + Descriptor.arg]!,
      gsoSize: descriptors[d + Descriptor.gsoSize]!,
      key: keys.slice(i * WORDS, (i + 1) * WORDS),
      bytes: bytes.slice(at, at + descriptors[d + Descriptor.length]!)
    }
    this.seen.push(seen)
    this.#actions.clear()
    const mask = this.decide(seen, this.#actions)
    if (mask !== null) this.#add(seen.key, mask, this.#actions)
    this.datapath.execute(this.#burst, i, this.#actions)
  }
}
