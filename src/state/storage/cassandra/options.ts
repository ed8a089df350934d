// What the Cassandra store has to be told: where the cluster is, who we are to it, how much to ask
// of it at once.  Secrets come from files or the environment and are read again with each connect.

import { readFile } from 'node:fs/promises'

export interface ClusterOptions {
  /** Addresses or names, each with `:port` or without. */
  readonly contactPoints: readonly string[]
  readonly port: number
  readonly localDataCenter: string
  /** Made when it is not there, with so many replicas in the local data centre. */
  readonly keyspace: string
  readonly replicaCount: number
  readonly consistency: Consistency
  /** For one query; connecting has as much for each step. */
  readonly timeoutMs: number
  /** Writes under way at once. */
  readonly queriesMax: number
  readonly username?: string
  readonly passwordFile?: string
  readonly tls: boolean
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

// Their numbers in the CQL protocol.
export const consistencies = {
  ONE: 1,
  QUORUM: 4,
  ALL: 5,
  LOCAL_QUORUM: 6,
  LOCAL_ONE: 10
} as const

export type Consistency = keyof typeof consistencies

export interface Access {
  readonly credentials?: { readonly username: string; readonly password: string }
  readonly tls?: TlsFiles
}

export interface TlsFiles {
  readonly ca?: Buffer
  readonly cert?: Buffer
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
