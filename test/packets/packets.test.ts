// Packets and what a router, its filters and its translations make of them, in memory; on eBPF:
// test/lab/packets.test.ts.

import { World } from '../world/world.ts'
import { authenticated } from './authenticated.ts'
import { echo, echoBothWays } from './echo.ts'
import { dressedErrors, translatedErrors } from './errors.ts'
import { flags } from './flags.ts'
import { noMember } from './no-member.ts'
import { lostFragments, refusals } from './refusals.ts'
import type { Opener } from './scene.ts'

const memory: Opener = options => new World(options)

echo(memory)
echoBothWays(memory)
translatedErrors(memory)
dressedErrors(memory)
refusals(memory)
lostFragments(memory)
authenticated(memory)
flags(memory)
noMember(memory)
