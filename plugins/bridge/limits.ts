// What holds where a bridge's model says nothing.

export const MAC_AGE_MS = 300_000
export const MACS_MAX = 8192
