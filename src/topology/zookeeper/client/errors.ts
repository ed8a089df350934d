// What may become of an operation, by the protocol's numbers, and whether it was done all the same.
// test/zookeeper/client.test.ts holds it.

const codes = {
  CONNECTION_LOSS: -4,
  OPERATION_TIMEOUT: -7,
  NO_NODE: -101,
  NO_AUTH: -102,
  BAD_VERSION: -103,
  NODE_EXISTS: -110,
  NOT_EMPTY: -111,
  SESSION_EXPIRED: -112,
  AUTH_FAILED: -115,
  // Ours: refused here, nothing was sent.
  NOT_CONNECTED: -1000,
  TOO_MANY: -1001,
  TOO_LARGE: -1002
} as const

/** What went wrong, by name. */
export type ZooKeeperCode = keyof typeof codes | 'OTHER'

const sentences: Readonly<Record<ZooKeeperCode, string>> = {
  CONNECTION_LOSS: 'the connection to ZooKeeper was lost',
  OPERATION_TIMEOUT: 'ZooKeeper did not answer in time',
  NO_NODE: 'the node does not exist',
  NO_AUTH: 'ZooKeeper refuses access; expected the name and password that made the node',
  BAD_VERSION: 'the node was changed meanwhile',
  NODE_EXISTS: 'the node exists already',
  NOT_EMPTY: 'the node has children',
  SESSION_EXPIRED: 'the session with ZooKeeper has expired',
  AUTH_FAILED: 'ZooKeeper refuses the name and password',
  NOT_CONNECTED: 'there is no connection to ZooKeeper',
  TOO_MANY: 'too many operations wait for ZooKeeper',
  TOO_LARGE: 'the operation is larger than ZooKeeper takes',
  OTHER: 'ZooKeeper refuses the operation'
}

/** A request that was refused, or has no known outcome. */
export class ZooKeeperError extends Error {
  override readonly name = 'ZooKeeperError'
  readonly code: ZooKeeperCode

  constructor(code: ZooKeeperCode, more: string) {
    super(`${sentences[code]} (${more})`)
    this.code = code
  }
}

/** The error of a number of the protocol; `what` says which operation it was. */
export function errorOf(number: number, what: string): ZooKeeperError {
  const found = Object.entries(codes).find(([, each]) => each === number)
  if (found !== undefined) return new ZooKeeperError(found[0] as ZooKeeperCode, what)
  return new ZooKeeperError('OTHER', `${what}: error ${number}`)
}

/** True for a ZooKeeperError, of one of these codes when some are given. */
export const isZooKeeperError = (
  error: unknown,
  ...wanted: readonly ZooKeeperCode[]
): error is ZooKeeperError =>
  error instanceof ZooKeeperError && (wanted.length === 0 || wanted.includes(error.code))

/** The operation may have been done: whoever asked for it must look. */
export const isUnknown = (error: unknown): boolean =>
  isZooKeeperError(error, 'CONNECTION_LOSS', 'OPERATION_TIMEOUT', 'SESSION_EXPIRED')
