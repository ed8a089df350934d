// What holds where a bridge's model says nothing.

/** A MAC that was silent for so long is forgotten, unless the bridge says otherwise. */
export const MAC_AGE_MS = 300_000
/** MACs that a bridge knows at once, unless it says otherwise. */
export const MACS_MAX = 8192
