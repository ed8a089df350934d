// What the Cassandra store has to be told: where the cluster is, who we are to it, how much to ask
// of it at once.  Secrets come from files or the environment and are read again with each connect.

import { readFile } from 'node:fs/promises'

/** Settings of the cluster, as they are configured. */
export interface ClusterOptions {
  /** Addresses or names, each with `:port` or without. */
  readonly contactPoints: readonly string[]
  /** TCP port of the nodes. */
  readonly port: number
  /** Name of the data centre whose nodes are asked. */
  readonly localDataCenter: string
  /** Made when it is not there, with so many replicas in the local data centre. */
  readonly keyspace: string
  /** Of a keyspace that we make. */
  readonly replicaCount: number
  readonly consistency: Consistency
  /** For one query; connecting has as much for each step. */
  readonly timeoutMs: number
  /** Writes under way at once. */
  readonly queriesMax: number
  /** Default: the environment's; without either there is no authentication. */
  readonly username?: string
  /** File that holds the password; otherwise it comes from the environment. */
  readonly passwordFile?: string
  /** Whether connections are encrypted. */
  readonly tls: boolean
  /** Certificate of the authority that signed the nodes'. */
  readonly caFile?: string
  /** Our certificate, when the nodes want one. */
  readonly certFile?: string
  /** The private key that belongs to it. */
  readonly keyFile?: string
}

/** Their numbers in the CQL protocol. */
export const consistencies = {
  ONE: 1,
  QUORUM: 4,
  ALL: 5,
  LOCAL_QUORUM: 6,
  LOCAL_ONE: 10
} as const

/** How many replicas must have taken a write. */
export type Consistency = keyof typeof consistencies

/** What a connection is opened with: secrets, read afresh. */
export interface Access {
  /** Undefined: none. */
  readonly credentials?: { readonly username: string; readonly password: string }
  /** Undefined: the connection is not encrypted. */
  readonly tls?: TlsFiles
}

/** What the files of the settings hold. */
export interface TlsFiles {
  /** Certificate of the authority. */
  readonly ca?: Buffer
  /** Our certificate. */
  readonly cert?: Buffer
  /** Our private key. */
  readonly key?: Buffer
}

/** Who we are to the cluster: what the settings name, or the environment. */
export async function readAccess(
  options: ClusterOptions,
  env: NodeJS.ProcessEnv = process.env
): Promise<Access> {
  const username = options.username ?? env.MEZZO_CASSANDRA_USERNAME
  const password =
    options.passwordFile === undefined
      ? env.MEZZO_CASSANDRA_PASSWORD
      : (await readFile(options.passwordFile, 'utf8')).trim()
  const isKnown = username !== undefined && password !== undefined
  return {
    ...(isKnown ? { credentials: { username, password } } : {}),
    ...(options.tls ? { tls: await readTls(options) } : {})
  }
}

async function readTls({ caFile, certFile, keyFile }: ClusterOptions): Promise<TlsFiles> {
  return {
    ...(caFile === undefined ? {} : { ca: await readFile(caFile) }),
    ...(certFile === undefined ? {} : { cert: await readFile(certFile) }),
    ...(keyFile === undefined ? {} : { key: await readFile(keyFile) })
  }
}
