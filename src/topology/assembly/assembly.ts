// What a packet thread has to know of what plugins declare: plain data, made by assemble.ts on the
// main thread, for packet threads do without the schema library.

export interface Assembly {
  /** Kinds of devices whose ports lead out of the network where they are bound. */
  readonly uplinks: readonly string[]
  /** Kind of the devices that filter at ports; '' when no plugin has them. */
  readonly filterKind: string
}

/** Of no plugin. */
export const NO_PLUGINS: Assembly = { uplinks: [], filterKind: '' }
