// A real ZooKeeper server: Debian's jar, started directly. Its four ports are for clients, for
// clients that speak TLS, and two for the other servers of its ensemble.
// test/zookeeper/ensemble.test.ts holds it.

import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { must } from '../process/process.ts'
import { freePorts, makeCertificate, missingProgram, type Place, Service } from './service.ts'

const JAR = '/usr/share/java/zookeeper.jar'
// Its manifest names the rest, but for what Netty needs to speak TLS.
const CLASSPATH = [
  JAR,
  '/usr/share/java/netty-codec.jar',
  '/usr/share/java/netty-resolver.jar'
].join(':')
const TICK_MS = 500
const COMMAND_MS_MAX = 4_000
const ADDRESS = '127.0.9.2'
const PORTS = 4

/** Why there cannot be a server here; undefined when there can. */
export function missingForServer(): string | undefined {
  const program = missingProgram(['java', 'openssl', 'setpriv'])
  if (program !== undefined) return `${program} is not installed; node setup.mjs --zookeeper does`
  return existsSync(JAR) ? undefined : `${JAR} is not here; node setup.mjs --zookeeper installs it`
}

/** One of an ensemble: which it is, and the lines that tell of all of them. */
interface Member {
  readonly id: number
  readonly lines: readonly string[]
}

/** What a server is made with. */
export interface ZooKeeperOptions {
  /** Default: free ports of an address of the loopback. */
  readonly place?: Place
  /**
   * Whether it speaks TLS too; it has a certificate of its own then. `mutual`: who speaks it has to
   * have one as well. Default: false.
   */
  readonly tls?: boolean | 'mutual'
}

/** A ZooKeeper server, alone or one of an ensemble. */
export class ZooKeeperServer extends Service {
  /** For clients. */
  readonly port: number
  /** For clients that speak TLS; nothing is there unless it was made with it. */
  readonly securePort: number
  /** The certificate to trust; only when made with TLS. */
  readonly caFile: string
  /** The one certificate that it lets in, and its key; only when made with `mutual`. */
  readonly client: { readonly certFile: string; readonly keyFile: string }
  readonly #tls: boolean | 'mutual'
  readonly #member: Member | undefined

  private constructor(place: Place, tls: boolean | 'mutual', member?: Member) {
    super('zookeeper', place)
    this.port = place.ports[0]!
    this.securePort = place.ports[1]!
    this.#tls = tls
    this.#member = member
    this.caFile = join(this.folder, 'server.pem')
    const named = (name: string): string => join(this.folder, name)
    this.client = { certFile: named('client.pem'), keyFile: named('client-key.pem') }
    const { folder, address } = this
    if (tls) makeCertificate({ folder, name: 'server', address })
    if (tls === 'mutual') makeCertificate({ folder, name: 'client', address })
    writeFileSync(join(this.folder, 'zoo.cfg'), this.#configuration())
    if (member === undefined) return
    mkdirSync(join(this.folder, 'data'))
    writeFileSync(join(this.folder, 'data', 'myid'), `${member.id}\n`)
  }

  /** One that stands alone; it is to be started. */
  static async make({ place, tls = false }: ZooKeeperOptions = {}): Promise<ZooKeeperServer> {
    return new ZooKeeperServer(place ?? (await somewhere()), tls)
  }

  /** Several that agree; each is to be started, and serves when most of them are there. */
  static async ensemble(of: number | readonly Place[]): Promise<ZooKeeperServer[]> {
    const places = typeof of === 'number' ? await placesFor(of) : of
    const lines = places.map(
      ({ address, ports }, i) => `server.${i + 1}=${address}:${ports[2]}:${ports[3]}`
    )
    return places.map((place, i) => new ZooKeeperServer(place, false, { id: i + 1, lines }))
  }

  /** True for the one of an ensemble that has the last word. */
  async leads(): Promise<boolean> {
    return (await this.ask('srvr')).includes('Mode: leader')
  }

  /** The answer to a command of four letters; empty when there is none. */
  async ask(word: string): Promise<string> {
    const { enter, address } = this.place
    if (enter === undefined) return said(address, this.port, word)
    const script = 'exec 3<>"/dev/tcp/$1/$2" && printf "$3" >&3 && cat <&3'
    const shell = ['bash', '-c', script, 'ask', address, `${this.port}`, word]
    return must([...enter, ...shell], { timeoutMs: COMMAND_MS_MAX }).catch(() => '')
  }

  protected command(): readonly string[] {
    const properties = {
      'zookeeper.4lw.commands.whitelist': '*',
      'zookeeper.admin.enableServer': 'false',
      'zookeeper.forceSync': 'no',
      ...(this.#tls !== false
        ? { 'zookeeper.serverCnxnFactory': 'org.apache.zookeeper.server.NettyServerCnxnFactory' }
        : {})
    }
    const main = this.#member === undefined ? 'ZooKeeperServerMain' : 'quorum.QuorumPeerMain'
    return [
      ...['java', '-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
      ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
      ...['-cp', CLASSPATH, `org.apache.zookeeper.server.${main}`, join(this.folder, 'zoo.cfg')]
    ]
  }

  // "imok" comes too early: it says its mode when it serves.
  protected async serves(): Promise<boolean> {
    return (await this.ask('srvr')).includes('Mode:')
  }

  #configuration(): string {
    const lines = [
      `tickTime=${TICK_MS}`,
      `minSessionTimeout=${2 * TICK_MS}`,
      'maxSessionTimeout=60000',
      'maxClientCnxns=0',
      `dataDir=${join(this.folder, 'data')}`,
      `clientPortAddress=${this.address}`,
      `clientPort=${this.port}`
    ]
    if (this.#member !== undefined) lines.push('initLimit=10', 'syncLimit=4', ...this.#member.lines)
    const tls = [
      `secureClientPortAddress=${this.address}`,
      `secureClientPort=${this.securePort}`,
      `ssl.keyStore.location=${join(this.folder, 'server.p12')}`,
      'ssl.keyStore.password=changeit',
      'ssl.keyStore.type=PKCS12',
      ...(this.#tls === 'mutual'
        ? [
            'ssl.clientAuth=need',
            `ssl.trustStore.location=${this.client.certFile}`,
            'ssl.trustStore.type=PEM'
          ]
        : ['ssl.clientAuth=none'])
    ]
    return `${[...lines, ...(this.#tls === false ? [] : tls)].join('\n')}\n`
  }
}

function said(host: string, port: number, word: string): Promise<string> {
  return new Promise(done => {
    let answer = ''
    const socket = connect({ host, port, timeout: COMMAND_MS_MAX })
    socket.on('connect', () => socket.write(word))
    socket.on('data', bytes => {
      answer += String(bytes)
    })
    socket.on('timeout', () => socket.destroy())
    socket.on('error', () => {})
    socket.on('close', () => done(answer))
  })
}

const somewhere = async (): Promise<Place> => (await placesFor(1))[0]!

async function placesFor(count: number): Promise<Place[]> {
  const ports = await freePorts(ADDRESS, PORTS * count)
  return Array.from({ length: count }, (_, i) => ({
    address: ADDRESS,
    ports: ports.slice(PORTS * i, PORTS * (i + 1))
  }))
}
