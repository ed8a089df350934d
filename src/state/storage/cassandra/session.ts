// A connection to a Cassandra cluster: the driver, our statements, and a count of every query by
// its kind.  The driver is loaded when the first session is opened: who has no cluster never pays
// for it.  It keeps connections to the nodes up and picks the node that owns a partition; whether
// to try again, and when, is the store's. test/cassandra/cassandra.test.ts holds it.

import type { Client, DseClientOptions } from 'cassandra-driver'
import type { Waiting } from '../queue.ts'
import type { Tally } from '../tally.ts'
import { type Access, type ClusterOptions, consistencies, readAccess } from './options.ts'
import { HOUR_MS, type Statements, statementsOf } from './statements.ts'

type Driver = typeof import('cassandra-driver')

// Of the driver, what it keeps to itself: the only hand on what a failed connect leaves behind.
interface Inside {
  readonly controlConnection: ControlConnection
}
interface ControlConnection {
  readonly hosts: { on(event: 'add', heard: (host: DriverHost) => void): void }
  shutdown(): void
}
interface DriverHost {
  shutdown(): Promise<void>
}

const RECONNECT_FIRST_MS = 200
const RECONNECT_MAX_MS = 5000
// Making a table waits for the disk and for every node.
const SCHEMA_TIMEOUT_MS = 10_000
const PAGE_ROWS = 64

/** A connection to a cluster, with our statements prepared. */
export class Session {
  readonly #client: Client
  readonly #statements: Statements
  readonly #options: ClusterOptions
  readonly #keepS: number
  readonly #tally: Tally
  readonly #hosts = new Set<DriverHost>()
  #isClosed = false

  private constructor(client: Client, options: ClusterOptions, keepS: number, tally: Tally) {
    this.#client = client
    this.#options = options
    this.#keepS = keepS
    this.#tally = tally
    const { keyspace, localDataCenter, replicaCount } = options
    this.#statements = statementsOf(keyspace, localDataCenter, replicaCount, keepS)
  }

  /** Connects, and makes what is not there. */
  static async open(options: ClusterOptions, keepS: number, tally: Tally): Promise<Session> {
    const driver = await import('cassandra-driver')
    const client = new driver.Client(clientOptions(driver, options, await readAccess(options)))
    // Without a listener an 'error' would end the process.
    client.on('error', () => {})
    const session = new Session(client, options, keepS, tally)
    session.#watchHosts()
    try {
      await client.connect()
      await session.#makeSchema()
      return session
    } catch (error) {
      await session.close().catch(() => {})
      throw error
    }
  }

  /** Writes a batch; throws what the driver throws (`faultOf` tells it apart). */
  async save(batch: Waiting, writer: number, now: number): Promise<void> {
    const { port, bytes, at, serial } = batch
    const ttlS = Math.max(1, this.#keepS - Math.floor((now - at) / 1000))
    const records = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const hour = Math.floor(at / HOUR_MS)
    this.#tally.saveQueries++
    await this.#execute(this.#statements.save, [
      port | 0,
      hour,
      new Date(at),
      writer,
      serial | 0,
      records,
      ttlS
    ])
  }

  /** Batches of a port in an hour since then, newest first, a page at a time. */
  async *load(port: number, hour: number, since: number): AsyncGenerator<Uint8Array[]> {
    let pageState: string | undefined
    do {
      this.#tally.loadQueries++
      const parameters = [port | 0, hour, new Date(since)]
      const page = await this.#execute(this.#statements.load, parameters, pageState)
      yield page.rows.map(row => new Uint8Array(row.get('records') as Buffer))
      pageState = page.pageState
    } while (pageState != null)
  }

  /** Asks something that costs nothing; throws when the cluster does not answer. */
  async probe(): Promise<void> {
    this.#tally.probeQueries++
    await this.#client.execute(this.#statements.probe)
  }

  /** After it nothing of the session runs on, in whichever state it was. */
  async close(): Promise<void> {
    this.#isClosed = true
    await this.#client.shutdown()
    // Of a client that never connected, or lost all nodes, the driver leaves running what looks for
    // them, and hosts that it made anew and forgot.
    this.#inside.shutdown()
    await Promise.all([...this.#hosts].map(host => host.shutdown()))
  }

  get #inside(): ControlConnection {
    return (this.#client as unknown as Inside).controlConnection
  }

  #watchHosts(): void {
    const { hosts } = this.#inside
    hosts.on('add', host => {
      this.#hosts.add(host)
      // One that a look for nodes finds late.
      if (this.#isClosed) queueMicrotask(() => void host.shutdown())
    })
  }

  #execute(statement: string, parameters: unknown[], pageState?: string) {
    return this.#client.execute(statement, parameters, {
      prepare: true,
      isIdempotent: true,
      consistency: consistencies[this.#options.consistency],
      fetchSize: PAGE_ROWS,
      ...(pageState === undefined ? {} : { pageState })
    })
  }

  // Looks first: we may not be allowed to make any, and need not be when somebody else has.
  async #makeSchema(): Promise<void> {
    const { keyspace } = this.#options
    const { table, makeKeyspace, makeTable } = this.#statements
    const { metadata } = this.#client
    if (!Object.hasOwn(metadata.keyspaces, keyspace)) await this.#make(makeKeyspace)
    this.#tally.schemaQueries++
    const found: unknown = await metadata.getTable(keyspace, table)
    if (found == null) await this.#make(makeTable)
  }

  async #make(statement: string): Promise<void> {
    this.#tally.schemaQueries++
    await this.#client.execute(statement, [], { readTimeout: SCHEMA_TIMEOUT_MS })
  }
}

function clientOptions(driver: Driver, options: ClusterOptions, access: Access): DseClientOptions {
  const { loadBalancing, reconnection } = driver.policies
  const { localDataCenter, timeoutMs } = options
  return {
    contactPoints: [...options.contactPoints],
    localDataCenter,
    protocolOptions: { port: options.port },
    policies: {
      loadBalancing: new loadBalancing.TokenAwarePolicy(
        new loadBalancing.DCAwareRoundRobinPolicy(localDataCenter)
      ),
      reconnection: new reconnection.ExponentialReconnectionPolicy(
        RECONNECT_FIRST_MS,
        RECONNECT_MAX_MS
      )
    },
    // A connect that fails while it warms up leaves a host behind that reconnects for ever.
    pooling: { warmup: false },
    socketOptions: { readTimeout: timeoutMs, connectTimeout: timeoutMs },
    // It would tell the vendor's server about this client.
    monitorReporting: { enabled: false },
    ...(access.credentials === undefined ? {} : { credentials: access.credentials }),
    // The driver would trust anybody by itself.
    ...(access.tls === undefined ? {} : { sslOptions: { ...access.tls, rejectUnauthorized: true } })
  }
}

/** What an error of the driver stands for. */
export interface Fault {
  /** The cluster will never take it; else it is slow, gone or overloaded, and may take it later. */
  readonly isRefusal: boolean
  /** Nobody answered in time; it may have been done all the same. */
  readonly isTimeout: boolean
}

// Error codes of the CQL protocol.  A server error may be a batch that no server takes: tried again
// it would keep the queue from moving.
const SERVER_ERROR = 0
const WRITE_TIMEOUT = 0x1100
const READ_TIMEOUT = 0x1200
const REFUSAL_FROM = 0x2000 // the query itself is wrong

/** What an error of the driver means. */
export function faultOf(error: unknown): Fault {
  if (!(error instanceof Error)) return { isRefusal: false, isTimeout: false }
  const { code, innerErrors } = error as Error & { code?: unknown; innerErrors?: object | null }
  const number = error.name === 'ResponseError' && typeof code === 'number' ? code : -1
  const isTimeout =
    error.name === 'OperationTimedOutError' ||
    number === WRITE_TIMEOUT ||
    number === READ_TIMEOUT ||
    Object.values(innerErrors ?? {}).some(inner => faultOf(inner).isTimeout)
  return { isRefusal: number === SERVER_ERROR || number >= REFUSAL_FROM, isTimeout }
}
