// Packets and what a router, its filters and its translations make of them: what test/packets asks
// of the host in memory, in the kernel.

import { after, before, describe } from 'node:test'
import { tool } from '../../src/lab/traffic/traffic.ts'
import { authenticated } from '../packets/authenticated.ts'
import { echo, echoBothWays } from '../packets/echo.ts'
import { dressedErrors, translatedErrors } from '../packets/errors.ts'
import { flags } from '../packets/flags.ts'
import { noMember } from '../packets/no-member.ts'
import { lostFragments, refusals } from '../packets/refusals.ts'
import type { Opener } from '../packets/scene.ts'
import { canRun } from './datapath-lab.ts'
import { Site } from './oracle-site.ts'
import { KernelWorld, type Work } from './oracle-world.ts'

describe('packets on eBPF', { skip: canRun }, () => {
  let site: Site
  before(async () => {
    site = new Site(await tool('wire'))
  })
  after(() => site.close())
  const seen: Work = { delivered: 0, upcalls: 0, hits: 0, tunnelled: 0, states: 0, shared: 0 }
  const kernel: Opener = options => new KernelWorld(site, options, { seen })

  echo(kernel)
  echoBothWays(kernel)
  translatedErrors(kernel, true)
  dressedErrors(kernel)
  refusals(kernel)
  lostFragments(kernel)
  authenticated(kernel)
  flags(kernel)
  noMember(kernel)
})
