// Whether this machine can run the datapath in the kernel.

import { existsSync, readFileSync } from 'node:fs'

const addon = new URL('../../../native/build/mezzo.node', import.meta.url)

// Bits of include/uapi/linux/capability.h.  CAP_SYS_ADMIN stands for the newer two; besides, it
// mounts the bpffs and enters namespaces, where that is asked for.
const SYS_ADMIN = 21
const capabilities = { NET_ADMIN: 12, NET_RAW: 13, PERFMON: 38, BPF: 39 } as const

/** Why this machine cannot run the kernel datapath, or null when it can. */
export function kernelUnavailable(): string | null {
  if (process.platform !== 'linux') return `it needs Linux, not ${process.platform}`
  const missing = missingCapabilities()
  if (missing.length > 0)
    return process.getuid?.() === 0 ? `root lacks ${missing.join(', ')} here` : 'it needs root'
  if (!existsSync(addon)) return 'the native addon is not built (see `npm run native`)'
  return null
}

function missingCapabilities(): string[] {
  const status = readFileSync('/proc/self/status', 'utf8')
  const held = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0'}`)
  const has = (bit: number): boolean => ((held >> BigInt(bit)) & 1n) === 1n
  return Object.entries(capabilities)
    .filter(([, bit]) => !has(bit) && !(bit >= capabilities.PERFMON && has(SYS_ADMIN)))
    .map(([name]) => `CAP_${name}`)
}
