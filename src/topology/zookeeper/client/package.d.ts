// The inside of node-zookeeper-client 1.1.3, as far as connection.ts uses it.  The package is
// pinned to that version and upstream is at rest, so what it calls private does not move.

declare module 'node-zookeeper-client/lib/jute/index.js' {
  interface Stat {
    readonly version: number
    readonly cversion: number
    readonly numChildren: number
    readonly ephemeralOwner: Buffer
    readonly czxid: Buffer
    readonly mzxid: Buffer
  }
  interface Payload {
    readonly path?: string
    readonly data?: Buffer
    readonly children?: string[]
    readonly stat?: Stat
    readonly results?: { readonly type: number; readonly err?: number; readonly path?: string }[]
  }
  interface Record_ {
    byteLength(): number
  }
  type Maker = new (...fields: unknown[]) => Record_
  class Request {
    readonly header: { xid: number; type: number }
    readonly payload: Record_ | null
    constructor(header: Record_ | null, payload: Record_ | null)
    toBuffer(): Buffer
  }
  const jute: {
    readonly OP_CODES: Readonly<Record<string, number>>
    readonly PROTOCOL_VERSION: number
    readonly Request: typeof Request
    readonly TransactionRequest: new (operations: readonly object[]) => Record_
    readonly protocol: Readonly<Record<string, Maker>>
    readonly data: Readonly<Record<string, Maker>>
  }

  export type { Payload, Record_, Request, Stat }
  export { jute as default }
}

declare module 'node-zookeeper-client/lib/ConnectionManager.js' {
  import type { Socket } from 'node:net'
  import type { Payload, Request } from 'node-zookeeper-client/lib/jute/index.js'

  interface Packet {
    readonly request: Request
    readonly callback: (
      error: { readonly code: number } | null,
      response?: { readonly payload: Payload | null }
    ) => void
  }
  interface WatcherEvent {
    readonly type: number
    readonly path: string
  }
  interface Watchers {
    readonly dataWatchers: Record<string, unknown>
    readonly existenceWatchers: Record<string, unknown>
    readonly childWatchers: Record<string, unknown>
    isEmpty(): boolean
    getDataWatcherPaths(): string[]
    getExistenceWatcherPaths(): string[]
    getChildWatcherPaths(): string[]
  }
  class ConnectionManager {
    static readonly STATES: {
      readonly DISCONNECTED: 0
      readonly CONNECTING: 1
      readonly CONNECTED: 2
      readonly CONNECTED_READ_ONLY: 3
      readonly CLOSING: -1
      readonly CLOSED: -2
      readonly SESSION_EXPIRED: -3
      readonly AUTHENTICATION_FAILED: -4
    }
    state: number
    xid: number
    socket: Socket | undefined
    sessionTimeout: number
    zxid: Buffer
    sessionId: Buffer
    sessionPassword: Buffer
    credentials: { readonly scheme: string; readonly auth: Buffer }[]
    servers: { readonly host: string; readonly port: number }[]
    pendingQueue: Packet[]
    readonly packetQueue: { shift(): Packet | undefined }
    readonly watcherManager: Watchers
    constructor(servers: string, options: object, listener: (state: number) => void)
    connect(): void
    close(): void
    queue(request: Request, callback?: Packet['callback']): void
    setState(state: number): void
    onSocketConnected(): void
    onSocketData(bytes: Buffer): void
    onSocketDrain(): void
    onSocketClosed(): void
    onSocketTimeout(): void
    registerDataWatcher(path: string, watcher: (event: WatcherEvent) => void): void
    registerChildWatcher(path: string, watcher: (event: WatcherEvent) => void): void
    registerExistenceWatcher(path: string, watcher: (event: WatcherEvent) => void): void
  }

  export type { Packet, WatcherEvent }
  export { ConnectionManager as default }
}
