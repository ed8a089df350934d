// Tags: what an outcome depended on.  A tag is a 32-bit number mixed from what it stands for, so
// that tagging a walk allocates nothing.  Two things that happen to share a number only cause a
// flow to be walked again for nothing.

/** What an outcome depended on, as a number of 32 bits. */
export type Tag = number

/**
 * Odd tags are those of records of flow state, which hardly two flows have in common; see TagIndex.
 */
export const stateTag = (keyHash: number): Tag => keyHash | 1
/** Whether the tag stands for a record of flow state. */
export const isStateTag = (tag: Tag): boolean => (tag & 1) === 1

const mix = (h: number, k: number): number => {
  k = Math.imul(k, 0xcc9e2d51)
  k = (k << 15) | (k >>> 17)
  h ^= Math.imul(k, 0x1b873593)
  h = (h << 13) | (h >>> 19)
  return (Math.imul(h, 5) + 0xe6546b64) | 0
}

const finish = (h: number): number => {
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return (h ^ (h >>> 16)) | 0
}

/** A 32-bit number for names and ids. */
export function hashOf(...parts: readonly string[]): number {
  let h = 0x9747b28c | 0
  for (const part of parts) {
    for (let i = 0; i < part.length; i++) h = mix(h, part.charCodeAt(i))
    h = mix(h, 0x2f)
  }
  return finish(h)
}

/** For names and ids; compute once, in a constructor. */
export const tagOf = (...parts: readonly string[]): Tag => hashOf(...parts) & ~1

/** The number, mixed with more. */
export const hashWith = (of: number, a: number, b = 0, c = 0): number =>
  finish(mix(mix(mix(of, a), b), c))

/** The tag of a part of something: a MAC of a bridge, a destination of a router. */
export const derive = (of: Tag, a: number, b = 0, c = 0): Tag => hashWith(of, a, b, c) & ~1

/** Carried by every flow that visits the object; stale when anything of the object changes. */
export const deviceTag = (id: string): Tag => tagOf('device', id)
/** Carried by every flow that leaves by the port; stale when the port's place changes. */
export const egressTag = (portId: string): Tag => tagOf('egress', portId)
