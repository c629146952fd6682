import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { openFingerprints } from './fingerprint.ts'

let real = ''
beforeEach(() => (real = mkdtempSync(join(tmpdir(), 'oxbow-fingerprint-'))))
afterEach(() => rmSync(real, { recursive: true, force: true }))

const { signal } = new AbortController()
const open = () => openFingerprints([{ virtual: '/shared', real }], () => 2)
const whole = { since: '', except: [] as string[] }

describe('a fingerprint of the workspace', () => {
  it('stays while nothing changes, also in other hands, and names what has', async () => {
    mkdirSync(join(real, 'a/.git'), { recursive: true })
    writeFileSync(join(real, 'a/.git/hook'), '1')
    const hands = open()
    const first = await hands.take(whole, signal)
    assert.equal((await open().take({ since: first.digest, except: [] }, signal)).digest, first.digest)
    assert.equal(first.running, 2)
    writeFileSync(join(real, 'a/.git/hook'), '2')
    writeFileSync(join(real, 'new'), '')
    const second = await hands.take({ since: first.digest, except: [] }, signal)
    assert.notEqual(second.digest, first.digest)
    assert.deepEqual(second.changed.toSorted(), ['/shared/a/.git/hook', '/shared/new'])
  })

  it('sees a change of the same size with its times set back, and folders that were exchanged', async () => {
    const old = new Date(1_000_000_000_000)
    for (const name of ['a', 'b']) {
      mkdirSync(join(real, name))
      writeFileSync(join(real, name, 't.sh'), name)
      utimesSync(join(real, name, 't.sh'), old, old)
    }
    const hands = open()
    const { digest } = await hands.take(whole, signal)
    writeFileSync(join(real, 'a/t.sh'), 'x')
    utimesSync(join(real, 'a/t.sh'), old, old)
    const second = await hands.take({ since: digest, except: [] }, signal)
    assert.deepEqual(second.changed, ['/shared/a/t.sh'])
    renameSync(join(real, 'a'), join(real, 'c'))
    renameSync(join(real, 'b'), join(real, 'a'))
    renameSync(join(real, 'c'), join(real, 'b'))
    const third = await hands.take({ since: second.digest, except: [] }, signal)
    assert.deepEqual(third.changed.toSorted(), ['/shared/a/t.sh', '/shared/b/t.sh'])
  })

  it('stops what was allowed for other files, and lets be what was left out', async () => {
    writeFileSync(join(real, 't.sh'), '1')
    writeFileSync(join(real, 'log'), '1')
    const hands = open()
    const { digest } = await hands.take({ since: '', except: ['/shared/log'] }, signal)
    writeFileSync(join(real, 'log'), '2')
    const state = { digest, except: ['/shared/log'] }
    // Hands that were started again since did not take it.
    const later = open()
    for (const one of [hands, later]) one.assertUnchanged(state)
    hands.assertUnchanged(undefined)
    writeFileSync(join(real, 't.sh'), '2')
    assert.throws(() => hands.assertUnchanged(state), /\/shared\/t\.sh changed after this was allowed. Nothing was run/)
    assert.throws(() => later.assertUnchanged(state), /A file changed after this was allowed. Nothing was run/)
  })
})
