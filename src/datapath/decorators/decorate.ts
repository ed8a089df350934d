// Puts the decorators that the configuration asks for around a datapath: faults innermost, so that
// capture and trace see what the agent sees.

import type { Clock } from '../../core/clock.ts'
import type { Log } from '../../core/log.ts'
import { SeededRandom } from '../../core/random.ts'
import type { Datapath } from '../datapath.ts'
import { CaptureDatapath } from './capture.ts'
import { CaptureFile } from './capture-file.ts'
import { type DatapathFaults, FaultyDatapath } from './faults.ts'
import { TraceDatapath } from './trace.ts'

/** What is put around a datapath, for developers. */
export interface DatapathDebug extends DatapathFaults {
  /** Whether a line is logged for each frame and flow. */
  readonly trace: boolean
  /** The pcapng file; empty: none. */
  readonly capture: string
  /** The size at which the file ends. */
  readonly captureBytesMax: number
  /** Of the faults. */
  readonly seed: number
}

/** The datapath with the decorators that `debug` asks for, or as it is. */
export function decorate(
  datapath: Datapath,
  debug: DatapathDebug | undefined,
  { clock, log }: { clock: Clock; log: Log }
): Datapath {
  if (debug === undefined) return datapath
  const room = log.room('datapath')
  let outer = datapath
  if (debug.lostPerMille + debug.refusedPerMille + debug.vanishedPerMille > 0) {
    room.warn({ ...debug }, 'the datapath fails by chance, as its settings ask')
    outer = new FaultyDatapath(outer, debug, new SeededRandom(debug.seed))
  }
  if (debug.capture !== '') {
    const failed = (reason: string): void =>
      room.error({ file: debug.capture, reason }, 'frames are not captured any more')
    outer = new CaptureDatapath(
      outer,
      new CaptureFile(debug.capture, debug.captureBytesMax, failed),
      clock
    )
  }
  return debug.trace ? new TraceDatapath(outer, room, clock) : outer
}
