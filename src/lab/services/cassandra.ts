// A real Cassandra node: Java, and the artifacts that setup.mjs had Maven fetch. Its two ports are
// for clients and for other nodes. Clients show a password and may speak TLS.
// test/cassandra/cassandra.test.ts holds it.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { LabError } from '../process/process.ts'
import { freePorts, makeCertificate, missingProgram, type Place, Service } from './service.ts'

const here = join(import.meta.dirname, 'cassandra')
const cache = join(import.meta.dirname, '../../../node_modules/.cache/cassandra')
const ADDRESS = '127.0.9.1'
const PORTS = 2

/** Why there cannot be a node here; undefined when there can. */
export function missingForNode(): string | undefined {
  const program = missingProgram(['java', 'openssl', 'setpriv'])
  if (program !== undefined) return `${program} is not installed`
  const isThere = knownClasspath() !== undefined
  return isThere ? undefined : 'its artifacts are not here; node setup.mjs --cassandra fetches them'
}

/** A Cassandra node, alone in its cluster. */
export class CassandraNode extends Service {
  /** Whom it lets in. */
  readonly username = 'cassandra'
  /** The file with the password. */
  readonly passwordFile: string
  /** The certificate to trust for TLS. */
  readonly caFile: string
  /** For clients. */
  readonly port: number
  readonly #classpath: string

  private constructor(place: Place, classpath: string) {
    super('cassandra', place)
    this.#classpath = classpath
    this.port = place.ports[0]!
    this.passwordFile = join(this.folder, 'password')
    this.caFile = join(this.folder, 'node.pem')
    writeFileSync(this.passwordFile, 'cassandra\n', { mode: 0o600 })
    makeCertificate({ folder: this.folder, name: 'node', address: this.address })
    this.#configure()
  }

  /** It is to be started. `place`: default, free ports of an address of the loopback. */
  static async make(place?: Place): Promise<CassandraNode> {
    const classpath = knownClasspath()
    if (classpath === undefined) throw new LabError(`no Cassandra node: ${missingForNode()}`)
    const somewhere = { address: ADDRESS, ports: await freePorts(ADDRESS, PORTS) }
    return new CassandraNode(place ?? somewhere, classpath)
  }

  protected command(): readonly string[] {
    const conf = join(this.folder, 'conf')
    const jamm = this.#classpath.split(delimiter).find(jar => /\/jamm-[^/]*\.jar$/.test(jar))
    return [
      ...['java', `@${join(here, 'jvm.args')}`, `-javaagent:${jamm}`],
      `-Dcassandra.config=file://${conf}/cassandra.yaml`,
      `-Dcassandra.storagedir=${this.folder}`,
      `-Dlogback.configurationFile=file://${join(here, 'logback.xml')}`,
      '-Dcassandra-foreground=yes',
      '-Dcassandra.skip_wait_for_gossip_to_settle=0',
      '-Dcassandra.ring_delay_ms=0',
      '-Dcassandra.superuser_setup_delay_ms=0',
      '-Dcassandra.auth_bcrypt_gensalt_log2_rounds=4',
      ...['-cp', [conf, this.#classpath].join(delimiter)],
      'org.apache.cassandra.service.CassandraDaemon'
    ]
  }

  protected serves(said: string): boolean {
    return said.includes('Starting listening for CQL clients')
  }

  #configure(): void {
    const text = readFileSync(join(here, 'cassandra.yaml'), 'utf8')
    const values: Record<string, string | number> = {
      FOLDER: this.folder,
      ADDRESS: this.address,
      PORT: this.port,
      STORAGE_PORT: this.place.ports[1]!
    }
    const filled = text.replace(/__([A-Z_]+?)__/g, (_, name: string) => String(values[name]))
    mkdirSync(join(this.folder, 'conf'))
    writeFileSync(join(this.folder, 'conf', 'cassandra.yaml'), filled)
  }
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
