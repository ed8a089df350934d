// A rule that asks for ports says nothing of later fragments: ports are in the first one only.

import type { Stored } from '../../src/plugin.ts'

export const asksL4 = (rule: Stored): boolean =>
  rule.sourcePorts !== undefined || rule.destinationPorts !== undefined
