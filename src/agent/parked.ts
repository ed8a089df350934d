// A frame of a burst, copied to outlive it.

import { type Burst, DESCRIPTOR_WORDS, Descriptor } from '../datapath/datapath.ts'
import { WORDS } from '../flow/key.ts'
import type { Parked } from './waiting.ts'

export function parkedOf({ descriptors, bytes, keys }: Burst, i: number): Parked {
  const d = i * DESCRIPTOR_WORDS
  const at = descriptors[d + Descriptor.offset]!
  return {
    frame: bytes.slice(at, at + descriptors[d + Descriptor.length]!),
    key: keys.slice(i * WORDS, i * WORDS + WORDS),
    ifindex: descriptors[d + Descriptor.ifindex]!,
    reason: descriptors[d + Descriptor.reason]!,
    gsoSize: descriptors[d + Descriptor.gsoSize]!,
    port: '',
    deadline: 0
  }
}
