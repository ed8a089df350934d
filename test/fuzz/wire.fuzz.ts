// The wire room against a million hostile frames.

import { campaign, hexOf } from './campaign.ts'
import { exercise } from './exercise.ts'
import { hostile } from './packets.ts'

await campaign({
  name: 'wire',
  runs: 1_000_000,
  seconds: 120,
  run(draw, note) {
    const frame = hostile(draw)
    try {
      exercise(frame)
      return 'frames'
    } catch (error) {
      note(`frame: ${hexOf(frame)}`)
      throw error
    }
  }
})
