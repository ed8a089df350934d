// What is installed is found without running it, by its name in the path or by where it is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { missingProgram } from './service.ts'

test('a program is found by its name and by its path', () => {
  assert.equal(missingProgram(['sh', '/bin/sh', process.execPath]), undefined)
  assert.equal(missingProgram(['sh', 'no-such-program']), 'no-such-program')
  assert.equal(missingProgram(['/bin/sh', '/usr/lib/frr/no-such']), '/usr/lib/frr/no-such')
})
