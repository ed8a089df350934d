// The models a packet worker knows: what its interests have brought, and nothing else.  An object
// that several interests name is held once and stays until the last of them lets it go.

import { type Interest, interestKey } from './interest.ts'
import type { Stored } from './model.ts'
import type { WatchEvent } from './store.ts'

/** An interest, and what is known of it. */
export interface Watched {
  /** The interest as text. */
  readonly key: string
  readonly interest: Interest
  /** All that there is has been told. */
  ready: boolean
  /** Kind/id. */
  readonly members: Set<string>
  /** Of what is not needed, since it was asked for. */
  sweeps: number
}

interface Held {
  readonly kind: string
  version: number
  value: Stored
  readonly by: Set<string> // interest keys
}

/** An object as text, by which it is known. */
export const objectKey = (kind: string, id: string): string => `${kind}/${id}`

/** Objects that this host was told of, by interest and by field. */
export class Replica {
  readonly #watched = new Map<string, Watched>()
  readonly #held = new Map<string, Held>()

  /** The interest of this key; undefined: nobody asked for it. */
  watched(key: string): Watched | undefined {
    return this.#watched.get(key)
  }

  /** How many interests there are. */
  get size(): number {
    return this.#watched.size
  }

  /** All of them. */
  all(): Iterable<Watched> {
    return this.#watched.values()
  }

  /** An interest is no more. Gives the keys of the objects that went with it. */
  remove(key: string): string[] {
    const watched = this.#watched.get(key)
    if (watched === undefined) return []
    const gone = [...watched.members].filter(object => {
      this.#drop(watched, object)
      return !this.#held.has(object)
    })
    this.#watched.delete(key)
    return gone
  }

  /** True when the interest is new: somebody must ask for it. */
  add(interest: Interest): boolean {
    const key = interestKey(interest)
    if (this.#watched.has(key)) return false
    this.#watched.set(key, { key, interest, ready: false, members: new Set(), sweeps: 0 })
    return true
  }

  /** Takes in what was said of an interest. Gives the keys of the objects that changed. */
  apply(key: string, events: readonly WatchEvent[], ready: boolean): string[] {
    const watched = this.#watched.get(key)
    if (watched === undefined) return []
    if (ready) watched.ready = true
    const changed: string[] = []
    for (const event of events) {
      const object =
        event.op === 'put'
          ? objectKey(event.object.kind, event.object.id)
          : objectKey(event.kind, event.id)
      const did =
        event.op === 'put' ? this.#put(watched, object, event.object) : this.#drop(watched, object)
      if (did) changed.push(object)
    }
    return changed
  }

  /** The object; undefined: not told. */
  get(kind: string, id: string): Stored | undefined {
    return this.#held.get(objectKey(kind, id))?.value
  }

  /** The object of this key; undefined: not told. */
  value(key: string): Stored | undefined {
    return this.#held.get(key)?.value
  }

  /** The interests that name an object. */
  namedBy(key: string): Iterable<string> {
    return this.#held.get(key)?.by ?? []
  }

  /** Objects whose field has this value, as far as they were asked for. */
  where(kind: string, field: string, value: string): Stored[] {
    const members = this.#watched.get(interestKey({ kind, field, value }))?.members ?? []
    const found: Stored[] = []
    for (const key of members) found.push(this.#held.get(key)!.value)
    return found.sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  #put(
    watched: Watched,
    key: string,
    object: { kind: string; version: number; value: Stored }
  ): boolean {
    watched.members.add(key)
    const held = this.#held.get(key)
    if (held === undefined) {
      const { kind, version, value } = object
      this.#held.set(key, { kind, version, value, by: new Set([watched.key]) })
      return true
    }
    const joined = !held.by.has(watched.key)
    held.by.add(watched.key)
    if (object.version <= held.version) return joined
    held.version = object.version
    held.value = object.value
    return true
  }

  #drop(watched: Watched, key: string): boolean {
    if (!watched.members.delete(key)) return false
    const held = this.#held.get(key)
    if (held === undefined) return false
    held.by.delete(watched.key)
    if (held.by.size === 0) this.#held.delete(key)
    return true
  }
}
