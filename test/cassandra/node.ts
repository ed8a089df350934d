// A real Cassandra node on a loopback address: Java, the artifacts that setup.mjs had Maven fetch,
// and a folder that goes with it.  Its data outlives `kill`, so that it can be started again.  It
// dies with the process that started it, whatever becomes of that.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

const here = join(import.meta.dirname, 'node')
const cache = join(import.meta.dirname, '../../node_modules/.cache/cassandra')
const address = '127.0.9.1'
const RUN_MS_MAX = 60_000
const LINES_MAX = 30

/** Why there cannot be a node here, or nothing. */
export function missingForNode(): string | undefined {
  for (const program of ['java', 'keytool', 'setpriv']) {
    const { error } = spawnSync(program, ['-version'], { stdio: 'ignore' })
    if (error !== undefined) return `${program} is not installed`
  }
  const isThere = knownClasspath() !== undefined
  return isThere ? undefined : 'its artifacts are not here; node setup.mjs --cassandra fetches them'
}

export class CassandraNode {
  readonly address = address
  readonly username = 'cassandra'
  readonly passwordFile: string
  /** The certificate to trust for TLS. */
  readonly caFile: string
  readonly port: number
  readonly #folder: string
  readonly #classpath: string
  #child: ChildProcess | null = null

  private constructor(folder: string, classpath: string, port: number) {
    this.#folder = folder
    this.#classpath = classpath
    this.port = port
    this.passwordFile = join(folder, 'password')
    this.caFile = join(folder, 'node.pem')
  }

  static async make(): Promise<CassandraNode> {
    const classpath = knownClasspath()
    assert.ok(classpath !== undefined, missingForNode())
    const folder = mkdtempSync(join(tmpdir(), 'mezzo-cassandra-'))
    const [port, storagePort] = await freePorts()
    const node = new CassandraNode(folder, classpath, port)
    writeFileSync(node.passwordFile, 'cassandra\n', { mode: 0o600 })
    node.#makeCertificate()
    node.#configure(storagePort)
    return node
  }

  /** Resolves when clients are listened to. */
  async start(): Promise<void> {
    const conf = join(this.#folder, 'conf')
    const jars = this.#classpath.split(delimiter)
    const jamm = jars.find(jar => /\/jamm-[^/]*\.jar$/.test(jar))
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'java', `@${join(here, 'jvm.args')}`, `-javaagent:${jamm}`],
        `-Dcassandra.config=file://${conf}/cassandra.yaml`,
        `-Dcassandra.storagedir=${this.#folder}`,
        `-Dlogback.configurationFile=file://${join(here, 'logback.xml')}`,
        '-Dcassandra-foreground=yes',
        '-Dcassandra.skip_wait_for_gossip_to_settle=0',
        '-Dcassandra.ring_delay_ms=0',
        '-Dcassandra.superuser_setup_delay_ms=0',
        '-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4',
        ...['-cp', [conf, this.#classpath].join(delimiter)],
        'org.apache.cassandra.service.CassandraDaemon'
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] }
    )
    this.#child = child
    await isListening(child)
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL')
  }

  /** It is there and does not answer. */
  pause(): void {
    this.#child!.kill('SIGSTOP')
  }

  resume(): void {
    this.#child!.kill('SIGCONT')
  }

  async close(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #end(signal: 'SIGKILL'): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill(signal)
    await ended
  }

  #makeCertificate(): void {
    const store = ['-keystore', join(this.#folder, 'node.p12'), '-storepass', 'changeit']
    run('keytool', [
      ...['-genkeypair', '-alias', 'node', '-keyalg', 'EC', '-validity', '2', ...store],
      ...['-dname', 'CN=node', '-ext', `SAN=IP:${address}`, '-storetype', 'PKCS12']
    ])
    run('keytool', ['-exportcert', '-rfc', '-alias', 'node', '-file', this.caFile, ...store])
  }

  #configure(storagePort: number): void {
    const text = readFileSync(join(here, 'cassandra.yaml'), 'utf8')
    const values: Record<string, string | number> = {
      FOLDER: this.#folder,
      ADDRESS: address,
      PORT: this.port,
      STORAGE_PORT: storagePort
    }
    const filled = text.replace(/__([A-Z_]+?)__/g, (_, name: string) => String(values[name]))
    mkdirSync(join(this.#folder, 'conf'))
    writeFileSync(join(this.#folder, 'conf', 'cassandra.yaml'), filled)
  }
}

async function isListening(child: ChildProcess): Promise<void> {
  const lines: string[] = []
  const keep = (line: string): void => {
    lines.push(line)
    if (lines.length > LINES_MAX) lines.shift()
  }
  createInterface({ input: child.stderr! }).on('line', keep)
  const output = createInterface({ input: child.stdout! })
  await new Promise<void>((done, failed) => {
    output.on('line', line => {
      keep(line)
      if (line.includes('Starting listening for CQL clients')) done()
    })
    child.on('error', failed)
    child.on('exit', (status, signal) =>
      failed(new Error(`the node ended (${status ?? signal}):\n${lines.join('\n')}`))
    )
  })
}

/** What setup has fetched: no download is on a test's clock. Nothing when that is not all there. */
function knownClasspath(): string | undefined {
  const path = join(cache, 'classpath')
  const pom = readFileSync(join(here, 'pom.xml'), 'utf8')
  if (!existsSync(path) || !existsSync(`${path}.pom`)) return undefined
  if (readFileSync(`${path}.pom`, 'utf8') !== pom) return undefined
  const known = readFileSync(path, 'utf8').trim()
  return known.split(delimiter).every(jar => existsSync(jar)) ? known : undefined
}

function run(program: string, args: readonly string[]): void {
  const { status, error, stdout, stderr } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: RUN_MS_MAX
  })
  assert.equal(status, 0, `${program} failed: ${error?.message ?? ''}\n${stdout}${stderr}`)
}

async function freePorts(): Promise<[number, number]> {
  const servers = [createServer(), createServer()]
  const ports: number[] = []
  for (const server of servers) {
    server.listen(0, address)
    await once(server, 'listening')
    const bound = server.address()
    ports.push(typeof bound === 'object' && bound !== null ? bound.port : 0)
  }
  for (const server of servers) server.close()
  return [ports[0]!, ports[1]!]
}
