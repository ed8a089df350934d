// A server of somebody else's that runs here for real: a program in the foreground, and a folder
// that goes with it. What it has written outlives `kill`, so that it can be started again. It dies
// with the process that started it, whatever becomes of that. test/zookeeper/ensemble.test.ts and
// test/cassandra/cassandra.test.ts hold it.

import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Job, LabError } from '../process/process.ts'

/** Where a server runs. */
export interface Place {
  /** It listens there, and nowhere else. */
  readonly address: string
  /** Ports nobody else has there; the server says how many it needs, and what for. */
  readonly ports: readonly number[]
  /** The command that enters its network namespace; default: ours. */
  readonly enter?: readonly string[]
}

/** So long a server may take until it serves. */
export const START_MS_MAX = 120_000
const LOOK_MS = 50
const TOLD_BYTES = 4_000

/** A server and its folder. */
export abstract class Service {
  /** Where it listens. */
  readonly address: string
  /** What it writes lies below; gone with `close`. */
  protected readonly folder: string
  protected readonly place: Place
  readonly #name: string
  #job: Job | null = null

  protected constructor(name: string, place: Place) {
    this.#name = name
    this.place = place
    this.address = place.address
    this.folder = mkdtempSync(join(tmpdir(), `mezzo-${name}-`))
  }

  /** The program and its arguments. */
  protected abstract command(): readonly string[]

  /** Whether it takes requests; `said` is what it has printed. */
  protected abstract serves(said: string): boolean | Promise<boolean>

  /** Whether it was started and not killed; it may have ended of itself. */
  get isRunning(): boolean {
    return this.#job !== null
  }

  /** Resolves when it serves; throws LabError when it ends instead, or never does. */
  async start(): Promise<void> {
    const { enter = [] } = this.place
    const job = new Job([...enter, 'setpriv', '--pdeathsig', 'KILL', ...this.command()])
    this.#job = job
    const until = performance.now() + START_MS_MAX
    while (!(await this.serves(job.output))) {
      const said = job.output.slice(-TOLD_BYTES)
      if (!job.running) throw new LabError(`${this.#name} ended: ${said}`)
      if (performance.now() > until) throw new LabError(`${this.#name} does not serve: ${said}`)
      await sleep(LOOK_MS)
    }
  }

  /** Kills it, at once; resolves when it has ended. */
  async kill(): Promise<void> {
    const job = this.#job
    this.#job = null
    await job?.stop('SIGKILL')
  }

  /** It is there and does not answer. */
  pause(): void {
    this.#job?.signal('SIGSTOP')
  }

  /** It goes on. */
  resume(): void {
    this.#job?.signal('SIGCONT')
  }

  /** Kills it and removes what it has written. */
  async close(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The first of the programs, by name or path, that is not installed; undefined when all are. */
export const missingProgram = (programs: readonly string[]): string | undefined =>
  programs.find(each => !folders().some(folder => existsSync(resolve(folder, each))))

// Nothing is run to know it: Java takes a second to say which it is.
const folders = (): string[] => (process.env.PATH ?? '').split(delimiter)

const STORE_PASSWORD = 'changeit'
const OPENSSL_MS_MAX = 60_000

/** What a certificate is made of. */
interface CertificateOptions {
  readonly folder: string
  /**
   * The certificate is `NAME.pem`, which is also who trusts it; its key is `NAME-key.pem`. Both are
   * in the key store `NAME.p12`, of the password `changeit`.
   */
  readonly name: string
  readonly address: string
}

/** Makes a key, a certificate that it has signed itself, valid for two days, and a key store. */
export function makeCertificate({ folder, name, address }: CertificateOptions): void {
  const [key, certificate] = [join(folder, `${name}-key.pem`), join(folder, `${name}.pem`)]
  openssl([
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
    ...['-days', '2', '-subj', `/CN=${name}`, '-addext', `subjectAltName=IP:${address}`],
    ...['-keyout', key, '-out', certificate]
  ])
  openssl([
    ...['pkcs12', '-export', '-name', name, '-in', certificate, '-inkey', key],
    ...['-out', join(folder, `${name}.p12`), '-passout', `pass:${STORE_PASSWORD}`]
  ])
}

function openssl(args: readonly string[]): void {
  const options = { encoding: 'utf8', timeout: OPENSSL_MS_MAX } as const
  const { status, error, stdout, stderr } = spawnSync('openssl', args, options)
  if (status !== 0) throw new LabError(`openssl: ${error?.message ?? ''} ${stdout}${stderr}`)
}

/** Ports that are free at a loopback address. All are held until all are found. */
export async function freePorts(address: string, count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, address))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  return ports
}
