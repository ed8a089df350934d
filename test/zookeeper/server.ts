// A real ZooKeeper server on a loopback address: Debian's jar, started directly, and a folder that
// goes with it.  Its data outlives `kill`, so that it can be started again.  It dies with the
// process that started it, whatever becomes of that.

import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SystemClock, sleep } from '../../src/core/clock.ts'

const JAR = '/usr/share/java/zookeeper.jar'
// Its manifest names the rest, but for what Netty needs to speak TLS.
const CLASSPATH = [
  JAR,
  '/usr/share/java/netty-codec.jar',
  '/usr/share/java/netty-resolver.jar'
].join(':')
const PASSWORD = 'changeit'
const TICK_MS = 500
const COMMAND_MS_MAX = 2_000
const START_MS_MAX = 60_000
const clock = new SystemClock()

/** Why there cannot be a server here; undefined when there can. */
export function missingForServer(): string | undefined {
  for (const program of ['java', 'keytool', 'setpriv']) {
    const { error } = spawnSync(program, ['-version'], { stdio: 'ignore' })
    if (error !== undefined) return `${program} is not installed; node setup.mjs --zookeeper does`
  }
  return existsSync(JAR) ? undefined : `${JAR} is not here; node setup.mjs --zookeeper installs it`
}

/** One of an ensemble: which it is, and the lines that tell of all of them. */
interface Seat {
  readonly id: number
  readonly members: readonly string[]
}

const ADDRESS = '127.0.9.2'

export class ZooKeeperServer {
  readonly address = ADDRESS
  readonly port: number
  /** Where it speaks TLS, and the certificate to trust; only when made with it. */
  readonly securePort: number
  readonly caFile: string
  readonly #folder: string
  readonly #tls: boolean
  readonly #seat: Seat | undefined
  #child: ChildProcess | null = null

  private constructor(folder: string, ports: readonly number[], tls: boolean, seat?: Seat) {
    this.#folder = folder
    this.port = ports[0]!
    this.securePort = ports[1]!
    this.#tls = tls
    this.#seat = seat
    this.caFile = join(folder, 'server.pem')
  }

  static async make({ tls = false } = {}, seat?: Seat): Promise<ZooKeeperServer> {
    const folder = mkdtempSync(join(tmpdir(), 'mezzo-zookeeper-'))
    const server = new ZooKeeperServer(folder, await freePorts(2), tls, seat)
    if (tls) server.#makeCertificate()
    writeFileSync(join(folder, 'zoo.cfg'), server.#configuration())
    if (seat !== undefined) {
      mkdirSync(join(folder, 'data'))
      writeFileSync(join(folder, 'data', 'myid'), `${seat.id}\n`)
    }
    return server
  }

  /** Several that agree; each is to be started, and serves when most of them are there. */
  static async ensemble(count: number): Promise<ZooKeeperServer[]> {
    const ports = await freePorts(2 * count)
    const members = Array.from(
      { length: count },
      (_, i) => `server.${i + 1}=${ADDRESS}:${ports[2 * i]}:${ports[2 * i + 1]}`
    )
    const ids = members.map((_, i) => i + 1)
    return Promise.all(ids.map(id => ZooKeeperServer.make({}, { id, members })))
  }

  /** Resolves when it serves. */
  async start(): Promise<void> {
    const properties = {
      'zookeeper.4lw.commands.whitelist': '*',
      'zookeeper.admin.enableServer': 'false',
      'zookeeper.forceSync': 'no',
      ...(this.#tls
        ? { 'zookeeper.serverCnxnFactory': 'org.apache.zookeeper.server.NettyServerCnxnFactory' }
        : {})
    }
    const child = spawn(
      'setpriv',
      [
        ...['--pdeathsig', 'KILL', 'java', '-Xmx256m', '-XX:+UseSerialGC'],
        '-XX:TieredStopAtLevel=1',
        ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
        ...['-cp', CLASSPATH, `org.apache.zookeeper.server.${this.#main}`],
        join(this.#folder, 'zoo.cfg')
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] }
    )
    this.#child = child
    let said = ''
    child.stderr!.on('data', text => {
      said = `${said}${text}`.slice(-4000)
    })
    const until = clock.now() + START_MS_MAX
    while (!(await this.#serves())) {
      assert.ok(child.exitCode === null, `the server ended (${child.exitCode}): ${said}`)
      assert.ok(clock.now() < until, `the server does not serve: ${said}`)
      await sleep(clock, 50)
    }
  }

  get #main(): string {
    return this.#seat === undefined ? 'ZooKeeperServerMain' : 'quorum.QuorumPeerMain'
  }

  /** True for the one of an ensemble that has the last word. */
  async leads(): Promise<boolean> {
    return (await this.command('srvr')).includes('Mode: leader')
  }

  get isRunning(): boolean {
    return this.#child !== null
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  /** It is there and does not answer. */
  pause(): void {
    this.#child!.kill('SIGSTOP')
  }

  resume(): void {
    this.#child?.kill('SIGCONT')
  }

  async close(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  // "imok" comes too early: it says its mode when it serves.
  async #serves(): Promise<boolean> {
    return (await this.command('srvr')).includes('Mode:')
  }

  /** The answer to a command of four letters; empty when there is none. */
  command(word: string): Promise<string> {
    return new Promise(done => {
      let said = ''
      const socket = connect(this.port, this.address, () => socket.write(word))
      const timer = clock.after(COMMAND_MS_MAX, () => socket.destroy())
      socket.on('data', text => {
        said += text
      })
      socket.on('error', () => {})
      socket.on('close', () => {
        timer.cancel()
        done(said)
      })
    })
  }

  #configuration(): string {
    const lines = [
      `tickTime=${TICK_MS}`,
      `minSessionTimeout=${2 * TICK_MS}`,
      'maxSessionTimeout=60000',
      'maxClientCnxns=0',
      `dataDir=${join(this.#folder, 'data')}`,
      `clientPortAddress=${this.address}`,
      `clientPort=${this.port}`
    ]
    if (this.#seat !== undefined) lines.push('initLimit=10', 'syncLimit=4', ...this.#seat.members)
    const tls = [
      `secureClientPortAddress=${this.address}`,
      `secureClientPort=${this.securePort}`,
      `ssl.keyStore.location=${join(this.#folder, 'server.p12')}`,
      `ssl.keyStore.password=${PASSWORD}`,
      'ssl.keyStore.type=PKCS12',
      'ssl.clientAuth=none'
    ]
    return `${[...lines, ...(this.#tls ? tls : [])].join('\n')}\n`
  }

  #makeCertificate(): void {
    const store = ['-keystore', join(this.#folder, 'server.p12'), '-storepass', PASSWORD]
    keytool([
      ...['-genkeypair', '-alias', 'server', '-keyalg', 'EC', '-validity', '2', ...store],
      ...['-dname', 'CN=server', '-ext', `SAN=IP:${this.address}`, '-storetype', 'PKCS12']
    ])
    keytool(['-exportcert', '-rfc', '-alias', 'server', '-file', this.caFile, ...store])
  }
}

function keytool(args: readonly string[]): void {
  const { status, error, stdout, stderr } = spawnSync('keytool', args, { encoding: 'utf8' })
  assert.equal(status, 0, `keytool failed: ${error?.message ?? ''}\n${stdout}${stderr}`)
}

// All are held until all are found, so that they are different.
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, ADDRESS))
  await Promise.all(servers.map(server => once(server, 'listening')))
  const ports = servers.map(server => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  return ports
}
