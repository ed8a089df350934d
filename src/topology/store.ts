// The one place the topology lives: a file of one machine, or a ZooKeeper ensemble that machines
// share.  Both keep this contract; test/store/contract.ts is what they pass.  An opened store is a
// session: what it owns (table entries, leases) vanishes with it, also when its process dies.

import { token } from '../core/token.ts'
import type { Interest } from './interest.ts'
import type { ObjectId, Stored } from './model.ts'

export type { Interest } from './interest.ts'

/** An object with its version. */
export interface Versioned {
  /** Its kind. */
  readonly kind: string
  readonly id: ObjectId
  /** Grows with every change of this object. */
  readonly version: number
  /** The object. */
  readonly value: Stored
}

/** One step of an atomic write. `version` given: refuse (CONFLICT) unless it is the current one. */
export type Change =
  | { readonly op: 'create'; readonly kind: string; readonly value: Stored }
  | {
      readonly op: 'update'
      readonly kind: string
      readonly value: Stored // the whole object
      readonly version?: number
    }
  | {
      readonly op: 'delete'
      readonly kind: string
      readonly id: ObjectId
      readonly version?: number
    }

/** What a watch of objects tells. */
export type WatchEvent =
  | { readonly op: 'put'; readonly object: Versioned }
  | { readonly op: 'delete'; readonly kind: string; readonly id: ObjectId }

/** How a watch begins. */
export interface WatchWish {
  /**
   * What is known here is taken for all there is, and what is not here yet comes as a change: who
   * was led to an object by another one needs no more, for changes come in their order. Only of an
   * object that is not here others are asked first.
   */
  readonly asKnown?: boolean
}

/** A watch that goes on until it is closed. */
export interface Watch {
  /** Resolves when the current state has been delivered. */
  readonly ready: Promise<void>
  /** Tells nothing more. */
  close(): void
}

/** An entry of a shared table. */
export interface TableEntry {
  /** Its key. */
  readonly key: string
  /** Its value. */
  readonly value: string
  /** Session; '' = a persistent seed. */
  readonly owner: string
  /** Grows with every change of the entry. */
  readonly version: number
}
/** What a watch of a table tells. */
export type TableEvent =
  | { readonly op: 'put'; readonly entry: TableEntry }
  | { readonly op: 'delete'; readonly key: string }

/**
 * A table all agents share: MAC → port, IP → MAC, active ports. The last writer wins by version; an
 * entry vanishes with its owner (of one that died or left, when its session expires, so that a
 * successor finds it); a persistent seed shows again when a learned entry goes.
 */
export interface ReplicatedTable {
  readonly name: string
  /** Writes an entry of this session's; it goes with the session. */
  put(key: string, value: string): Promise<void>
  /** Writes an entry that stays when sessions end. */
  seed(key: string, value: string): Promise<void>
  /** Removes only this session's own entry (and only if it still has `value`, when given). */
  remove(key: string, value?: string): Promise<void>
  /** Removes a seed. */
  unseed(key: string): Promise<void>
  /** All entries. */
  entries(): Promise<TableEntry[]>
  /** The value; undefined: there is none. */
  get(key: string): Promise<string | undefined>
  /** Tells what there is, then each change in order. */
  watch(listener: (events: readonly TableEvent[]) => void): Watch
}

/** Which block is wanted. */
export interface LeaseWish {
  /** This one; else any of first..blocks-1. */
  readonly block?: number | undefined
  /** The lowest block that will do; default 0. */
  readonly first?: number | undefined
  /**
   * When its session dies or leaves, the block is not free before the session expires; except for a
   * session of the same label that asks for it by number, or finds nothing else.
   */
  readonly lingers?: boolean
  /**
   * What this process says in shared tables stands and falls with it: once another has it, what it
   * had said is gone, and it says nothing more (SESSION_LOST).
   */
  readonly guards?: boolean
}

/** A block that this session holds. */
export interface Lease {
  /** Name of the pool. */
  readonly pool: string
  /** Its number. */
  readonly block: number
  /** Grows with every grant of the block: late writers are fenced. */
  readonly epoch: number
  /**
   * Resolves when others have taken this session for dead, and the block is not its any more: who
   * acts under it must stop.  It never does for one that was given back or closed.
   */
  readonly lost: Promise<void>
  /** Gives it back. */
  release(): Promise<void>
}

/** How a store is, for people and for metrics. */
export interface StoreReport {
  /** Which store it is. */
  readonly kind: 'sqlite' | 'zookeeper'
  /** Its file, or the servers and the node below which it is. */
  readonly where: string
  /** away: what is known is served, changes wait or are refused; halted: until it is mended. */
  readonly state: 'connected' | 'away' | 'halted'
  /** Why it is not connected, or which table cannot be read. */
  readonly fault: string | undefined
  /** What went wrong last, also when all is well again. */
  readonly lastError: string | undefined
  /** Our session with ZooKeeper, as its commands show it; how long the servers keep it, ms. */
  readonly session: string | undefined
  /** How long a silent session stands; undefined: it has no such bound. */
  readonly sessionMs: number | undefined
  /** Number of the last change that is here. */
  readonly change: number
  /** For how long there has been no connection, ms; 0: there is one. */
  readonly awayMs: number
  /** For how long we have known of changes that are not here yet, ms; 0: all are. */
  readonly lagMs: number
  /** What has grown since the start, and what there is now. */
  readonly counters: Readonly<Record<string, number>>
  /** Numbers as they are now, by name. */
  readonly gauges: Readonly<Record<string, number>>
}

/** A session with the store of the topology. */
export interface Store {
  /** Id of the session, which owns what it writes to shared tables. */
  readonly session: string
  /** The object; undefined: there is none. */
  read(kind: string, id: ObjectId): Promise<Versioned | undefined>
  /** All objects of a kind, or those whose indexed field has a value. */
  list(kind: string, index?: { field: string; value: string }): AsyncIterable<Versioned>
  /**
   * The same of what is known here: our own writes, and what others had changed when it was read
   * last. Whoever writes what he concludes from it has to name versions.
   */
  readonly known: Pick<Store, 'read' | 'list' | 'living'>
  /**
   * All or nothing. Objects are checked against their models, references and uniqueness; a delete
   * clears, cascades or refuses as the references say. Gives the store's new version. Errors:
   * NOT_FOUND, EXISTS, CONFLICT, REFERENCED, MISSING_REFERENCE, INVALID (MezzoError).
   */
  write(changes: readonly Change[]): Promise<number>
  /** Current state, then every later change, in order, none missed; one listener call per write. */
  watch(
    interest: Exclude<Interest, { table: string }>,
    listener: (events: readonly WatchEvent[]) => void,
    wish?: WatchWish
  ): Watch
  /** The shared table of this name. */
  table(name: string): ReplicatedTable
  /** Those of the sessions that live, as far as is known; others have ended, closed or left. */
  living(sessions: Iterable<string>): Promise<ReadonlySet<string>>
  /**
   * A free block of the pool: any that nobody has had yet, else the one given back the longest ago;
   * undefined if none.
   */
  lease(pool: string, blocks: number, wish?: LeaseWish): Promise<Lease | undefined>
  /**
   * Writes something that nobody sees. Throws STORE_UNAVAILABLE with the reason when that fails, or
   * when others could not see it: the file we write is not the one they find.
   */
  tryWrite(): Promise<void>
  /** How it is, as far as is known here. */
  report(): StoreReport
  /** Takes all that the session owns away. */
  close(): Promise<void>
  /** Closes as a death would: what the session owns stands until the session expires. */
  leave(): Promise<void>
}
export const Store = token<Store>('store')
