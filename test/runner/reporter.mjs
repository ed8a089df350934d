// What a process of node:test did, a line of JSON for each thing, for whoever started it: it is
// read also when the process was killed, and then tells what was under way.

import { stripVTControlCharacters } from 'node:util'

const reasonMax = 2000 // characters

/** @param {AsyncIterable<{ type: string, data: any }>} source */
export default async function* report(source) {
  for await (const { type, data } of source) {
    const { name, file, nesting, details = {} } = data
    const isSuite = details.type === 'suite'
    if (type === 'test:dequeue' && data.type !== 'suite') yield line({ begun: name, file })
    if (type === 'test:pass' || type === 'test:fail') {
      const what = data.skip !== undefined || data.todo !== undefined ? 'skipped' : verdict(type)
      const of = isSuite ? {} : { ended: name, what }
      const why = type === 'test:fail' && !isSuite ? { why: reasonIn(details.error) } : {}
      yield line({ ...of, ...why, file, ms: nesting === 0 ? details.duration_ms : 0 })
    }
    if (type === 'test:summary' && data.file === undefined) {
      const { user, system } = process.cpuUsage()
      yield line({ counts: data.counts, cpuMs: (user + system) / 1000 })
    }
  }
}

const line = what => `${JSON.stringify(what)}\n`
const verdict = type => (type === 'test:pass' ? 'passed' : 'failed')

// What failed, where, and what was found instead: a test's error is the cause of what node:test
// says of it. Where Node came by is left out.
function reasonIn(error) {
  const cause = error?.cause ?? error
  const lines = stripVTControlCharacters(String(cause?.stack ?? cause)).split('\n')
  return lines
    .filter(each => !/^ +at .*node:internal/.test(each))
    .join('\n')
    .slice(0, reasonMax)
}
