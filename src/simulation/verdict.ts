// How a device, or a walk, ends.

/** The sentences of SimulationContext give these. */
export const Verdict = {
  /** By the port that was named, or as the outcome's actions say. */
  forward: 1,
  drop: 2,
  /** A drop that the sender is told of, where the device can. */
  reject: 3,
  /** The device keeps the packet. */
  consume: 4,
  /** Something is missing: the packet waits for it, and is walked again. */
  postpone: 5,
  /** It goes on by several ways, or has arrived. */
  branched: 6
} as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]

/**
 * How long an outcome may be kept. A drop that is `short` is looked at again soon; one that is
 * `unresolved` too: it is for want of an answer that may yet come (nobody says where the next hop
 * is), and no refusal, so that what an earlier agent left in the kernel goes on meanwhile.
 */
export const CachePolicy = { normal: 0, short: 1, unresolved: 2 } as const
