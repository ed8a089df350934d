// The grounds of the matrix on the kernel: the site of the oracles, whose hosts are namespaces and
// whose datapath is eBPF.

import type { GroundOf } from '../matrix/stage.ts'
import { canRun } from './datapath-lab.ts'
import { tool } from './lib/traffic.ts'
import { Site } from './oracle-site.ts'
import { KernelWorld, type Work } from './oracle-world.ts'

/** What the kernel did is added to `seen`. */
export async function onKernel<T>(
  body: (ground: GroundOf) => T,
  seen: Work = { delivered: 0, upcalls: 0, hits: 0, tunnelled: 0, states: 0, shared: 0 }
): Promise<T> {
  if (canRun !== false) throw new Error(`no eBPF here: ${canRun}`)
  const site = new Site(await tool('wire'))
  try {
    return body(options => new KernelWorld(site, options, { seen }))
  } finally {
    site.close()
  }
}
