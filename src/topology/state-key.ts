// The secret that messages of flow state are tagged with: 32 bytes by chance, made once for a store
// by whichever agent comes first, the same for all of them, watched so that a new one reaches those
// that run.  It is an object of a hidden model: no route, no command and no log shows it.

import { isFailure } from '../core/errors.ts'
import type { Random } from '../core/random.ts'
import { stateKeyModel } from './models.ts'
import type { Change, Store, Versioned, Watch } from './store.ts'

const { kind } = stateKeyModel
const ID = '6d7a5354-0000-4000-8000-000000000001' // there is one: who creates it second is refused
const BYTES = 32
const ATTEMPTS_MAX = 5

/**
 * Tells the key, and every later one.  `ready` when it was told, or rejected when the store can
 * neither give nor take one; the watch goes on, so another agent's key arrives all the same.
 * `random` makes a secret: a SystemRandom, but for worlds that are replayed.
 */
export function watchStateKey(
  store: Store,
  random: Random,
  onKey: (key: Uint8Array) => void
): Watch {
  const told = Promise.withResolvers<void>()
  let isKnown = false
  const watch = store.watch({ kind, id: ID }, events => {
    const last = events.at(-1)!
    if (last.op === 'delete') return // nobody does; what was told goes on
    isKnown = true
    onKey(keyOf(last.object))
    told.resolve()
  })
  const ready = watch.ready
    .then(() => (isKnown ? undefined : createOnce(store, random)))
    .then(() => told.promise)
  ready.catch(() => {}) // whoever waits for it hears
  return {
    ready,
    close: () => {
      isKnown = true // makes none any more
      watch.close()
      told.resolve()
    }
  }
}

/** Makes a new key.  Until all agents have heard, hosts refuse each other's messages as forged. */
export async function rotateStateKey(store: Store, random: Random): Promise<void> {
  for (let n = 1; ; n++)
    try {
      const now = await store.read(kind, ID)
      await store.write([now === undefined ? created(random) : updated(now, random)])
      return
    } catch (error) {
      const isRace = isFailure(error, 'CONFLICT') || isFailure(error, 'EXISTS')
      if (!isRace || n === ATTEMPTS_MAX) throw error
    }
}

async function createOnce(store: Store, random: Random): Promise<void> {
  try {
    await store.write([created(random)])
  } catch (error) {
    if (!isFailure(error, 'EXISTS')) throw error // the other one's stands: the watch tells it
  }
}

const created = (random: Random): Change => ({ op: 'create', kind, value: fresh(random) })

const updated = ({ version }: Versioned, random: Random): Change => ({
  op: 'update',
  kind,
  value: fresh(random),
  version
})

const fresh = (random: Random) => ({
  id: ID,
  secret: Buffer.from(random.bytes(BYTES)).toString('hex')
})

const keyOf = ({ value }: Versioned): Uint8Array =>
  new Uint8Array(Buffer.from(String(value.secret), 'hex'))
