// The watcher of interfaces, as far as it needs neither root nor a namespace of its own.

import assert from 'node:assert/strict'
import { closeSync, openSync } from 'node:fs'
import { test } from 'node:test'
import { InterfaceWatcher } from './netlink.ts'

// A set of select() ends there, and what comes behind it is the caller's stack.
const SELECT_MAX = 1024
const NUMBERS = 512

test('interfaces are read by a socket of any number', () => {
  const taken: number[] = []
  try {
    do taken.push(openSync('/dev/null', 'r'))
    while (taken.at(-1)! < SELECT_MAX)
    for (let i = 0; i < NUMBERS; i++) {
      const watcher = new InterfaceWatcher()
      assert.equal(watcher.byName('lo')?.name, 'lo')
      watcher.close()
      taken.push(openSync('/dev/null', 'r'))
    }
  } finally {
    for (const fd of taken) closeSync(fd)
  }
})
