import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { isAlive } from './process-life.ts'

test('a process lives, one that has ended does not, and what is no number of a process is none', () => {
  assert.equal(isAlive(process.pid), true)
  assert.equal(isAlive(spawnSync('true').pid), false)
  assert.equal(isAlive(2 ** 40), false)
})

test('a process of another user lives', { skip: process.getuid?.() !== 0 && 'only root runs as another' }, () => {
  const asked = `console.log((${isAlive.toString()})(${process.pid}))`
  const { stdout } = spawnSync(process.execPath, ['-e', asked], { uid: 65_534, gid: 65_534, cwd: '/', encoding: 'utf8' })
  assert.equal(stdout, 'true\n')
})
