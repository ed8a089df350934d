// Settings for whoever looks for a fault in the datapath, or wants to see one survived.

import Type from 'typebox'
import { section } from '../core/config/config.ts'
import type { DatapathDebug } from '../datapath/decorators/decorate.ts'

const perMille = (description: string) =>
  Type.Integer({ minimum: 0, maximum: 1000, default: 0, description })

/** The settings of decorators around a datapath. */
export const debugSection = section(
  {
    trace: Type.Boolean({ default: false, description: 'log each frame that comes up, each flow' }),
    capture: Type.String({
      default: '',
      description: 'pcapng file of the frames that come up, with what became of each; empty: none'
    }),
    captureBytesMax: Type.Integer({
      minimum: 65_536,
      default: 100_000_000,
      description: 'the size at which the file ends'
    }),
    lostPerMille: perMille('of a thousand frames that would come up so many are lost'),
    refusedPerMille: perMille('of a thousand new flows so many are refused'),
    vanishedPerMille: perMille('of a thousand new flows so many are gone at once, unsaid'),
    seed: Type.Integer({ minimum: 0, default: 1, description: 'of that chance' })
  },
  'what helps to look for a fault, and to make some'
)

/** Undefined where nothing is asked for: then nothing is put around the datapath. */
export function debugOf(debug: DatapathDebug): DatapathDebug | undefined {
  const { trace, capture, lostPerMille, refusedPerMille, vanishedPerMille } = debug
  const isOn = trace || capture !== '' || lostPerMille + refusedPerMille + vanishedPerMille > 0
  return isOn ? debug : undefined
}
