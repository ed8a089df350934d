// What tests of the engine have a speaker do: one network, one peer, and what a test has otherwise.

import type { PeerConfig, SpeakerConfig } from '../engine.ts'

/** A peer. */
export const peer = (more: Partial<PeerConfig> = {}): PeerConfig => ({
  ...{ address: '10.9.0.2', asn: 65_002, keepaliveS: 3, holdS: 9, connectS: 5, password: null },
  ...{ multihop: null, bfd: null, maximumPrefixes: 1000, shutdown: false },
  ...{ import: { prefixes: [] }, export: { prefixes: [] } },
  ...more
})

/** A speaker. */
export const config = (more: Partial<SpeakerConfig> = {}): SpeakerConfig => ({
  ...{ asn: 65_001, routerId: '10.9.0.1', gracefulRestartS: null, maximumPaths: 8 },
  ...{ networks: ['198.51.100.0/24'], peers: [peer()] },
  ...more
})
