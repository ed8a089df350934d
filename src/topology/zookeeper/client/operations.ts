// Operations as they are asked for, and as the protocol has them.

import jute, { type Record_, type Request } from 'node-zookeeper-client/lib/jute/index.js'

/** A request to ZooKeeper. */
export interface Operation {
  /** What is to be done. */
  readonly op:
    | 'create'
    | 'set'
    | 'remove'
    | 'check'
    | 'get'
    | 'exists'
    | 'children'
    | 'multi'
    | 'sync'
    | 'unwatch'
  /** The node. */
  readonly path: string
  /** Its data, where it is written. */
  readonly data?: Buffer
  /** -1 or none: whichever it is. */
  readonly version?: number
  /** It goes with the session. */
  readonly ephemeral?: boolean
  /** The server puts the next number of its parent after the path, ten digits. */
  readonly numbered?: boolean
  /** Tells once when it changes. */
  readonly watched?: boolean
  readonly operations?: readonly Operation[]
}

// A server's jute.maxbuffer is 1 048 575 bytes; it cuts the connection when a request is larger.
const REQUEST_BYTES_MAX = 1_000_000
// What an operation has besides its path and data, at most.
const OPERATION_BYTES = 64

const ALL = 31
const EPHEMERAL = 1
const SEQUENTIAL = 2
// Removal of watches, of which the package knows nothing; of those of data and existence.
const REMOVE_WATCHES = 18
const DATA_WATCHES = 2

/** Whether the request takes watches back. */
export const isUnwatch = ({ type }: { readonly type: number }): boolean => type === REMOVE_WATCHES

/** Why it cannot be sent; undefined when it can. */
export function sizeOf(operation: Operation): string | undefined {
  const all = operation.operations ?? [operation]
  const bytes = all.reduce(
    (sum, { path, data }) => sum + OPERATION_BYTES + Buffer.byteLength(path) + (data?.length ?? 0),
    0
  )
  return bytes <= REQUEST_BYTES_MAX ? undefined : `${bytes} of ${REQUEST_BYTES_MAX} bytes`
}

/** The request of an operation; `isOwned`: its nodes are for who has our name and password. */
export function requestOf(operation: Operation, isOwned: boolean): Request {
  const { OP_CODES, protocol } = jute
  const { op, path, data, version = -1, watched = false } = operation
  const make = (code: string, payload: Record_): Request =>
    new jute.Request(new protocol.RequestHeader!(0, OP_CODES[code]), payload)
  switch (op) {
    case 'create':
      return make('CREATE', new protocol.CreateRequest!(path, data, acl(isOwned), flags(operation)))
    case 'set':
      return make('SET_DATA', new protocol.SetDataRequest!(path, data, version))
    case 'remove':
      return make('DELETE', new protocol.DeleteRequest!(path, version))
    case 'get':
      return make('GET_DATA', new protocol.GetDataRequest!(path, watched))
    case 'exists':
      return make('EXISTS', new protocol.ExistsRequest!(path, watched))
    case 'children':
      return make('GET_CHILDREN2', new protocol.GetChildren2Request!(path, watched))
    case 'sync': // has a path alone, as a delete without its version has none
      return make('SYNC', new protocol.CreateResponse!(path))
    case 'unwatch': // has a path and a number, as a delete has
      return new jute.Request(
        new protocol.RequestHeader!(0, REMOVE_WATCHES),
        new protocol.DeleteRequest!(path, DATA_WATCHES)
      )
    case 'multi':
      return make('MULTI', multi(operation.operations ?? [], isOwned))
    default:
      throw new Error(`${op} stands in a multi only`)
  }
}

function multi(operations: readonly Operation[], isOwned: boolean): Record_ {
  const { OP_CODES } = jute
  const names: Record<string, string> = {
    create: 'CREATE',
    set: 'SET_DATA',
    remove: 'DELETE',
    check: 'CHECK'
  }
  const acls = acl(isOwned).map(record => ({ toRecord: () => record }))
  return new jute.TransactionRequest(
    operations.map(operation => {
      const { op, path, data, version = -1 } = operation
      return { type: OP_CODES[names[op]!], path, data, version, acls, mode: flags(operation) }
    })
  )
}

const acl = (isOwned: boolean): Record_[] => {
  const [scheme, id] = isOwned ? ['auth', ''] : ['world', 'anyone']
  return [new jute.data.ACL!(ALL, new jute.data.Id!(scheme, id))]
}

const flags = ({ ephemeral = false, numbered = false }: Operation): number =>
  (ephemeral ? EPHEMERAL : 0) | (numbered ? SEQUENTIAL : 0)
