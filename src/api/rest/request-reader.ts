// The store as one request reads it: what others have changed is asked for once, at its first look,
// and then it goes by what is known.  All of it is at least as new as the request, and what it
// writes names versions. test/zookeeper/api.test.ts holds it.

import type { ObjectId } from '../../topology/model.ts'
import type { Store, Versioned } from '../../topology/store.ts'

type Reads = Pick<Store, 'read' | 'list'>

/** Reads for one request, one after the other; it is made anew for another try. */
export class RequestReader implements Reads {
  readonly #store: Reads & Pick<Store, 'known'>
  #isFresh = false

  constructor(store: Reads & Pick<Store, 'known'>) {
    this.#store = store
  }

  /** The object; undefined: there is none. */
  async read(kind: string, id: ObjectId): Promise<Versioned | undefined> {
    const found = await this.#reads.read(kind, id)
    this.#isFresh = true
    return found
  }

  /** All objects of a kind, or those whose indexed field has a value. */
  async *list(kind: string, index?: { field: string; value: string }): AsyncGenerator<Versioned> {
    yield* this.#reads.list(kind, ...(index === undefined ? [] : [index]))
    this.#isFresh = true
  }

  get #reads(): Reads {
    return this.#isFresh ? this.#store.known : this.#store
  }
}
