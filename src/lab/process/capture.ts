// Frames of an interface: taken by tcpdump into a file, decoded by tshark, or read as they are.
// tcpdump sees a frame before any tc program on the way in, and after it on the way out.
// test/lab/lib-self.test.ts holds it.

import { readFileSync } from 'node:fs'
import { type Job, type JobOptions, LabError, must } from './process.ts'

/** How a capture is made. */
export interface CaptureOptions {
  /** Stops by itself after so many frames. */
  readonly framesMax?: number
  /** Only frames coming in, or only those going out. */
  readonly direction?: 'in' | 'out'
  /** Bytes kept of each frame. */
  readonly snapLength?: number
}

/** A frame as tshark reads it. */
export interface DecodedFrame {
  /** eth:ip:udp:vxlan:eth:ip:icmp */
  readonly protocols: string
  /** Bytes on the wire. */
  readonly length: number
  /** By tshark's name. A tunnelled frame has a field twice: outer first. */
  readonly fields: Readonly<Record<string, readonly string[]>>
}

/** A captured frame. */
export interface RawFrame {
  /** When, wall clock. */
  readonly atMs: number
  /** As much as was captured. */
  readonly bytes: Uint8Array
}

type Spawn = (command: readonly string[], options?: JobOptions) => Job

const FRAMES_MAX = 100_000
// In immediate mode each frame takes a slot of the snap length: the default 2 MB hold a few only,
// and a burst is lost.
const BUFFER_KIB = 16_384
const always = ['frame.protocols', 'frame.len']

/** Frames of an interface, captured into a file. */
export class Capture {
  /** The file. */
  readonly path: string
  readonly #job: Job

  private constructor(path: string, job: Job) {
    this.path = path
    this.#job = job
  }

  /** Begins to capture; resolves when frames are seen. */
  static async start(
    spawn: Spawn,
    path: string,
    ifname: string,
    filter: string,
    options: CaptureOptions
  ): Promise<Capture> {
    const { framesMax = FRAMES_MAX, direction = 'inout', snapLength = 0 } = options
    // -U and immediate mode: a frame is in the file as soon as it was on the wire.
    const job = spawn([
      ...['tcpdump', '-i', ifname, '-n', '-U', '--immediate-mode', '-Z', 'root'],
      ...['-B', `${BUFFER_KIB}`],
      ...['-w', path, '-s', `${snapLength}`, '-c', `${framesMax}`, '-Q', direction],
      ...(filter === '' ? [] : [filter])
    ])
    await job.waitFor(/listening on/)
    return new Capture(path, job)
  }

  /** Ends it; what was seen until now can still be read. */
  async stop(): Promise<void> {
    await this.#job.stop('SIGINT')
  }

  /** How many frames there are by now. */
  get count(): number {
    return this.raw().length
  }

  /** The frames so far, as they were. */
  raw(): RawFrame[] {
    return readPcap(readFileSync(this.path))
  }

  /** The frames so far, with the fields asked for: 'ip.src', 'vxlan.vni', 'gre.key'. */
  async frames(fields: readonly string[] = [], displayFilter = ''): Promise<DecodedFrame[]> {
    const names = [...always, ...fields]
    const text = await must(
      [
        ...['tshark', '-n', '-r', this.path, '-T', 'fields'],
        ...['-E', 'separator=/t', '-E', 'occurrence=a', '-E', 'aggregator=|'],
        ...names.flatMap(name => ['-e', name]),
        ...(displayFilter === '' ? [] : ['-Y', displayFilter])
      ],
      { timeoutMs: 30_000 }
    )
    const lines = text.split('\n').filter(line => line !== '')
    return lines.map(line => decoded(names, line.split('\t')))
  }

  /** What tshark says about every frame, in full: for the message of a test that fails. */
  async describe(): Promise<string> {
    return must(['tshark', '-n', '-r', this.path], { timeoutMs: 30_000 })
  }
}

function decoded(names: readonly string[], columns: readonly string[]): DecodedFrame {
  const values = names.map((name, i): [string, string[]] => {
    const column = columns[i] ?? ''
    return [name, column === '' ? [] : column.split('|')]
  })
  const fields = Object.fromEntries(values.slice(always.length))
  return { protocols: values[0]![1][0] ?? '', length: Number(values[1]![1][0]), fields }
}

const FILE_HEADER = 24
const FRAME_HEADER = 16
const MAGIC_MICROSECONDS = 0xa1b2c3d4

// tcpdump writes in the byte order of its machine, and may be in the middle of the last frame.
function readPcap(file: Uint8Array): RawFrame[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (file.length < FILE_HEADER) return []
  const little = view.getUint32(0, true) === MAGIC_MICROSECONDS
  if (!little && view.getUint32(0) !== MAGIC_MICROSECONDS) throw new LabError('no pcap file')
  const frames: RawFrame[] = []
  for (let at = FILE_HEADER; at + FRAME_HEADER <= file.length; ) {
    const length = view.getUint32(at + 8, little)
    const from = at + FRAME_HEADER
    if (from + length > file.length) break
    const atMs = view.getUint32(at, little) * 1000 + view.getUint32(at + 4, little) / 1000
    frames.push({ atMs, bytes: file.slice(from, from + length) })
    at = from + length
  }
  return frames
}
