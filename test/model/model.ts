// `npm run model`: looks at all states of the protocol of leases, and prints how many there were.
// The exit status is 1 when something is wrong in one of them, or when a fence can be left out.

import { broken, explore, missingForModels, quick, slow } from './explore.ts'

const missing = missingForModels()
if (missing !== undefined) {
  process.stderr.write(`model: ${missing}\n`)
  process.exit(1)
}
for (const model of [...quick, ...slow, ...broken]) {
  const { fault, states, seconds } = await explore(model)
  const isRight = (fault !== undefined) === broken.includes(model)
  if (!isRight) process.exitCode = 1
  const found = fault ?? 'nothing is wrong'
  const line = [isRight ? 'ok' : 'WRONG', model.name, `${states} states`, `${seconds} s`, found]
  process.stdout.write(`${line.join('\t')}\n`)
}
