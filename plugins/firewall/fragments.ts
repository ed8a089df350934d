// A rule that asks for ports or TCP flags says nothing of later fragments: they are in the first
// one only.

import type { Stored } from '../../src/plugin.ts'

/** Whether the rule asks for what only a first fragment says. */
export const asksL4 = (rule: Stored): boolean =>
  rule.sourcePorts !== undefined ||
  rule.destinationPorts !== undefined ||
  rule.tcpFlags !== undefined
